"""Who sits down to play a story, and as whom."""
