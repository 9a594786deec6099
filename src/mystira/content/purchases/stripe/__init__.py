"""Stripe: the payment provider that takes real money."""
