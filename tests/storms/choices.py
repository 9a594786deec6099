"""The one place where faults draw randomness: recorded decision by decision, so that a failing schedule can shrink."""

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from math import log
from typing import Any, NamedTuple
from zlib import crc32

WORD = (1 << 64) - 1


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

    def __init__(
        self,
        seed: int,
        forced: Mapping[str, Any] | None,
        drawn: bool,
        told: Callable[[Decision], None] = lambda decision: None,
    ) -> None:
        self.seed = seed
        self.forced = forced or {}
        self.drawn = drawn
        self.closed = False
        self.decisions: list[Decision] = []
        self.streams: dict[str, list[int]] = {}
        self.chances: dict[str, Chance] = {}
        self._told = told

    def chance(self, label: str, rate: float) -> "Chance":
        """Return the one chance of this label, made when it is first asked for."""
        found = self.chances.get(label)
        if found is None:
            found = self.chances[label] = Chance(self, label, rate)
        return found

    def choose(self, label: str, options: float | Sequence[Any]) -> Any:
        stream = self.streams.get(label)
        if stream is None:
            stream = self.streams[label] = [(self.seed << 32) ^ crc32(label.encode()), 0]
        number = stream[1]
        stream[1] = number + 1
        # Drawn even when the value is forced, so that the later draws of this label stay what they are.
        stream[0], part = _drawn(stream[0])
        if isinstance(options, float | int):
            neutral: Any = False
            value: Any = part < options
        else:
            neutral = options[0]
            value = options[int(part * len(options))]
        if not self.drawn or self.forced:
            value = self._forced(f"{label}#{number}", options, value if self.drawn else neutral)
        if value is not neutral and value != neutral:
            self.decided(f"{label}#{number}", value)
        return value

    def decided(self, key: str, value: Any) -> None:
        """Put a draw that did not come out neutral on record."""
        decision = Decision(key, value)
        self.decisions.append(decision)
        self._told(decision)

    def _forced(self, key: str, options: float | Sequence[Any], otherwise: Any) -> Any:
        """The value that was asked for, unless this run has come to a place where it is no option any more."""
        value = self.forced.get(key, otherwise)
        possible = (False, True) if isinstance(options, float | int) else options
        return value if value in possible else otherwise


def _drawn(stream: int) -> tuple[int, float]:
    """Return where the stream goes on, and a number from 0 up to, but not, 1.

    SplitMix64: tens of streams are begun for each schedule, and a Random takes long to begin.
    """
    stream += 0x9E3779B97F4A7C15
    mixed = stream & WORD
    mixed = (mixed ^ mixed >> 30) * 0xBF58476D1CE4E5B9 & WORD
    mixed = (mixed ^ mixed >> 27) * 0x94D049BB133111EB & WORD
    return stream, (mixed >> 11) / (1 << 53)


@lru_cache(maxsize=4_096)
def _constants(label: str, rate: float) -> tuple[float, int]:
    return log(1.0 - rate), crc32(label.encode())


class Chance:
    """Something of a fixed rate that is asked for at thousands of places and seldom happens.

    How many askings pass until the next time is drawn once, so an asking that comes to nothing costs next to nothing.
    """

    __slots__ = ("_choices", "_label", "_none_in", "_plain", "_stream", "asked", "due")

    def __init__(self, choices: Choices, label: str, rate: float) -> None:
        self._choices = choices
        self._label = label
        self._none_in, begins_at = _constants(label, rate)
        self._plain = choices.drawn and not choices.forced
        self._stream = (choices.seed << 32) ^ begins_at
        self.asked = 0
        self.due = 0
        self._draw()

    def strikes(self) -> bool:
        """Tell whether it happens here."""
        self.asked = asked = self.asked + 1
        return (asked == self.due or not self._plain) and self._strikes_at(asked)

    def _strikes_at(self, asked: int) -> bool:
        choices, key = self._choices, f"{self._label}#{asked - 1}"
        is_due = asked == self.due
        if is_due:
            self._draw()
        # Drawn even when the value is forced, so that what comes later stays what it is.
        strikes = bool(choices.forced.get(key, choices.drawn and is_due)) and not choices.closed
        if strikes:
            choices.decided(key, True)
        return strikes

    def _draw(self) -> None:
        self._stream, part = _drawn(self._stream)
        self.due += 1 + int(log(1.0 - part) / self._none_in)
