"""Counting what happened, from the facts that other rooms tell."""
