"""Publishing that one of our own services asks for, once however often it asks."""
