"""Scenarios: branching stories from an author's file to a published, immutable version."""
