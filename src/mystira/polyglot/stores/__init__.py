"""Adapters: each store is a file or a folder, and passes the contract suite."""
