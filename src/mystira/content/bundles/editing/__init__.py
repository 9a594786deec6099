"""What those who run the platform do with bundles, for programs."""
