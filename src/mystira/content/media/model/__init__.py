"""What media are, and the rules for their names, their homes and who may see them."""
