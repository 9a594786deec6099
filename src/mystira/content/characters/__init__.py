"""Characters that belong to no single story, and which of them are offered."""
