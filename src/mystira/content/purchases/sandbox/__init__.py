"""The sandbox: a payment provider of our own, on which a newcomer can buy without money."""
