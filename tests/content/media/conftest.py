"""A platform with a media library, and files as people and enemies make them."""

from tests.operations.conftest import desk

__all__ = ["desk"]
