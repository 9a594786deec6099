"""The media library, for those who keep it: looked through, filled, described, deleted and brought back."""
