"""How far stories move the compass, beside the thresholds of the badges."""
