"""The library: the published stories as players look for them, and what each one asks of a family."""
