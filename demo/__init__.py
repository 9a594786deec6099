"""The demonstration: a migration under fire, to be watched in the terminal and in the browser."""
