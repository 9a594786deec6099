"""The pictures that players can be, by age group."""
