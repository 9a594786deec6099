"""Media: strangers' files, their four homes, and how they are sent."""
