"""PostgreSQL as a store: native columns, named SQL, the event outbox."""
