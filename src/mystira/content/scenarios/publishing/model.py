"""What a service asked to publish, kept under the key that it asked with."""

from datetime import datetime

from mystira.polyglot.entity import Entity


class PublishRequest(Entity, frozen=True, kw_only=True):
    """One request; its id is made of who asked and with which key. `version` is its answer, 0 until there is one."""

    by: str
    scenario_id: str
    why: str = ""
    asked_at: datetime
    version: int = 0
