"""Real processes under fire: kill -9, a database that dies, answers that get lost, and a look at what is left."""
