"""What a kind of content consists of, and what is right or wrong about it; pure."""
