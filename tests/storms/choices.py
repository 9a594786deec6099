"""The one place where faults draw randomness: recorded decision by decision, so that a failing schedule can shrink."""

from collections.abc import Mapping, Sequence
from random import Random
from typing import Any, NamedTuple
from zlib import crc32


class Decision(NamedTuple):
    """A draw that came out other than neutral; the key is its label and how many draws of that label came before."""

    key: str
    value: Any

    def __str__(self) -> str:
        return f"{self.key} = {self.value}"


class Choices:
    """Draws by label: every label has a stream of its own, so leaving out one fault does not change the others' draws.

    Neutral ("no fault here") is False for a probability and the first of several options.
    """

    def __init__(self, seed: int, forced: Mapping[str, Any] | None, drawn: bool) -> None:
        self.seed = seed
        self.forced = forced or {}
        self.drawn = drawn
        self.decisions: list[Decision] = []
        self.streams: dict[str, tuple[Random, list[int]]] = {}

    def choose(self, label: str, options: float | Sequence[Any]) -> Any:
        stream = self.streams.get(label)
        if stream is None:
            stream = self.streams[label] = (Random((self.seed << 32) ^ crc32(label.encode())), [0])
        random, counted = stream
        number = counted[0]
        counted[0] = number + 1
        # Drawn even when the value is forced, so that the later draws of this label stay what they are.
        part = random.random()
        if isinstance(options, float | int):
            neutral: Any = False
            value: Any = part < options
        else:
            neutral = options[0]
            value = options[int(part * len(options))]
        if not self.drawn or self.forced:
            value = self._forced(f"{label}#{number}", options, value if self.drawn else neutral)
        if value is not neutral and value != neutral:
            self.decisions.append(Decision(f"{label}#{number}", value))
        return value

    def _forced(self, key: str, options: float | Sequence[Any], otherwise: Any) -> Any:
        """The value that was asked for, unless this run has come to a place where it is no option any more."""
        value = self.forced.get(key, otherwise)
        possible = (False, True) if isinstance(options, float | int) else options
        return value if value in possible else otherwise
