"""Families: accounts, sign-in, the players of a family, and the consent that lets children play."""
