"""What those who run the platform see first: what is up, who leads what, what flows, and what it costs."""
