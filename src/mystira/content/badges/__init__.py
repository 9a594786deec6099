"""Badges: what lifetime scores can earn."""
