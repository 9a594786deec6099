"""What is done with media: taken in, described, moved from home to home, deleted and brought back."""
