"""Every reference of the whole catalogue, checked at once."""
