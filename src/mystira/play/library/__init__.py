"""The library as players browse it: every story, what can be continued, and one story before it is begun."""
