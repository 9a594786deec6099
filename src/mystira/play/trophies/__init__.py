"""What a player has to show for its games, and what a parent sees of them."""
