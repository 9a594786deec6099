"""What comparing both stores has found, run by run, and the plans that mend it."""
