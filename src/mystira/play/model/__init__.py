"""The rules of playing: pure functions over frozen values."""
