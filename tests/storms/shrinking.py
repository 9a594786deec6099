"""Makes a failing list of decisions small: chunk by chunk it asks whether the rest still fails."""

from collections.abc import Callable, Sequence
from typing import TypeVar

TRIES_MAX = 2_000
D = TypeVar("D")


def shrink(fails: Callable[[list[D]], bool], decisions: Sequence[D], *, tries_max: int = TRIES_MAX) -> list[D]:
    """The smallest list found that still fails; leaving any one decision out of it makes it pass.

    `fails` runs the schedule with these decisions only, all others neutral. The same question is never asked twice,
    and after `tries_max` questions the best list so far is the answer.
    """
    kept, tries = list(decisions), 0
    if not kept or fails([]):
        return []
    size = max(1, len(kept) // 2)
    while tries < tries_max:
        left_out, start = False, 0
        while start < len(kept) and tries < tries_max:
            rest = kept[:start] + kept[start + size :]
            tries += 1
            if rest and fails(rest):
                # What stood behind the chunk now stands at `start`, so the place stays.
                kept, left_out = rest, True
            else:
                start += size
        if size == 1 and not left_out:
            break
        size = max(1, min(size // 2 or 1, len(kept) // 2))
    return kept
