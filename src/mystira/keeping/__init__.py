"""What an operator does to keep the data: backups, restores, upgrades."""
