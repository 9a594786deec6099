"""The directory of families, for those who run the platform: looked at, never changed."""
