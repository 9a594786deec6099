"""Rows in memory that nobody keeps any more: removed once they are archived, and made anew from the archive."""

from collections.abc import Sequence

from mystira.polyglot.control import Control, State
from mystira.polyglot.phases import Phase
from mystira.polyglot.store import Conflict, Key, Record
from mystira.polyglot.stores.memory_merging import Row


def retire_rows(rows: dict[Key, Row], control: Control | None, archived: Sequence[Record], n: int) -> int:
    """Remove the rows that are exactly what was archived, while nobody keeps them; else Conflict."""
    _refuse_kept(control, n)
    same = [record.key for record in archived if record.key in rows and rows[record.key].record == record]
    for key in same:
        del rows[key]
    return len(same)


def restore_rows(rows: dict[Key, Row], control: Control | None, archived: Sequence[Record], n: int) -> int:
    """Make the rows that are absent anew, while nobody keeps them; else Conflict."""
    _refuse_kept(control, n)
    absent = {record.key: Row(record, record.stamp) for record in archived if record.key not in rows}
    rows.update(absent)
    return len(absent)


def _refuse_kept(control: Control | None, n: int) -> None:
    if control is None or (control.n, control.state, control.phase, control.copying) != (
        n,
        State.OPEN,
        Phase.COSMOS_ONLY,
        False,
    ):
        raise Conflict("the rows are kept, or the control row has changed")
