"""Media: the pictures, sounds and films that stories show, from an upload to the four places where they are kept."""
