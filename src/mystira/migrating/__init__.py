"""`mystira migrate`: moving collections between the stores from the command line (docs/migrate.md)."""
