"""What a scenario is, and what makes a file one."""
