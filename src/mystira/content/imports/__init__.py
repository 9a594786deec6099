"""Imports: files and whole bundles of strangers become stories, a worker's job with its progress and every finding."""
