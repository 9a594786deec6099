"""A story as the text of its file: edited, and taken along."""
