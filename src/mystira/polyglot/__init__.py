"""Keeps aggregates in a document store and in PostgreSQL behind one unit of work; knows no game word."""
