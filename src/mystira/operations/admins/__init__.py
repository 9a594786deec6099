"""Those who run the platform: their names, passwords, roles and sessions."""
