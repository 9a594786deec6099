"""One record in both stores, and what was done to its collection and to itself."""

from collections.abc import Sequence

import msgspec

from mystira.operations import views as commands
from mystira.operations.model import Command
from mystira.operations.reconciliation.views import collection_named
from mystira.polyglot.control import Change
from mystira.polyglot.memos import Remembered
from mystira.polyglot.repair import plan_for_keys
from mystira.polyglot.repair_plan import Repair
from mystira.polyglot.replication import Replication
from mystira.polyglot.sidebyside import SideBySide, keys_of, side_by_side
from mystira.polyglot.store import Key
from mystira.polyglot.work import Work

CHANGES_MAX = 8
COMMANDS_LOOKED_AT = 200


class Looked(msgspec.Struct, frozen=True, kw_only=True):
    """What a search has found: `others` when several partitions hold the id, else the one record, if it is there.

    `repair` is what would mend it; `changes` are the last of the whole collection, `asked` what was asked for it;
    `remembered` is what the process that answers keeps in memory of records of this collection.
    """

    record: SideBySide | None = None
    others: Sequence[Key] = ()
    repair: Repair | None = None
    changes: Sequence[Change] = ()
    asked: Sequence[Command] = ()
    remembered: Sequence[Remembered] = ()


async def look(r: Replication, work: Work, name: str, id: str, partition: str | None, *, reveal: bool) -> Looked:
    """Look a record up. The id is taken as it is; without a partition, every one that holds the id is found."""
    collection = collection_named(r, name)
    keys = [Key(partition, id)] if partition is not None else await keys_of(r, collection, id)
    if len(keys) != 1:
        return Looked(others=keys)
    record = await side_by_side(r, collection, keys[0], reveal=reveal)
    if not record.is_anywhere:
        return Looked()
    repair = None
    if record.difference is not None:
        plan = await plan_for_keys(r, collection, keys)
        repair = next(iter(plan.repairs), None)
    return Looked(
        record=record,
        repair=repair,
        changes=await r.journal.history(name, CHANGES_MAX),
        asked=await _asked(work, name, keys[0]),
        remembered=work.memos.made_of(name),
    )


async def _asked(work: Work, name: str, key: Key) -> Sequence[Command]:
    found = await commands.commands(work, collection=name, limit=COMMANDS_LOOKED_AT)
    return [one for one in found.items if (one.arguments.get("partition"), one.arguments.get("id")) == key]
