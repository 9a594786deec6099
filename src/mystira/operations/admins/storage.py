"""Where those who run the platform are kept: relational from the start, for nobody may move their own way in."""

from mystira.operations.admins.model import Admin, AdminSession
from mystira.polyglot.collection import Collection
from mystira.polyglot.phases import Phase

ADMINS = Collection(
    Admin,
    container="Admins",
    table="admins",
    phase=Phase.POSTGRES_ONLY,
    personal=frozenset({"id", "password_hash"}),
)
ADMIN_SESSIONS = Collection(
    AdminSession,
    container="AdminSessions",
    table="admin_sessions",
    phase=Phase.POSTGRES_ONLY,
    indexes=(("admin_id",),),
)

COLLECTIONS = (ADMINS, ADMIN_SESSIONS)
