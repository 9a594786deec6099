"""Purchases: what families have bought, how they pay for it, and what they may therefore play."""
