"""Running the platform: who may, what they ask for, and what moving data looks like while it goes on."""
