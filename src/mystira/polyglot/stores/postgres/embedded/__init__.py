"""A PostgreSQL of one's own: started by the first process that needs it, stopped by the last one that leaves."""

from mystira.polyglot.stores.postgres.embedded.lease import Attached, attach, put_back, remove, set_aside

__all__ = ["Attached", "attach", "put_back", "remove", "set_aside"]
