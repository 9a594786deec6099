"""The story editor: the scenes as a picture, each part as a form, the whole as text."""
