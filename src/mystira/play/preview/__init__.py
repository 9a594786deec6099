"""Playing a draft: the real rules, no session."""
