"""One record in both stores, field by field."""
