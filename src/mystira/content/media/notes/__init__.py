"""What authors note of media and of characters' media: two lists, each one document."""
