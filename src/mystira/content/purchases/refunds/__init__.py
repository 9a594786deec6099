"""Refunds: what staff sees of purchases, and the way back of the money."""
