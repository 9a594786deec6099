"""How moving the collections goes: the board that operators watch, and the samples of its last hour."""
