"""Content: the stories, their words, and everything a story needs."""
