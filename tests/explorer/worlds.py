"""The small models that are visited whole, and the rules that can be taken away."""

from tests.explorer.state import REVERSED, World

WORLDS = {
    "one cut-over, a writer that sleeps": World(starts=(1,), writes=(1, 1), outage=False, stale=False),
    "one cut-over, an outage, a replica that lags": World(starts=(1,), writes=(0, 0), outage=True, stale=True),
    "two coordinators, an outage": World(starts=(1, 1), writes=(0,), outage=True, stale=False),
    "two coordinators on the way back": World(starts=(1, 1), writes=(1,), outage=False, stale=False, phase=REVERSED),
    "there and back, one writer, two relays": World(starts=(2,), writes=(2,), outage=False, stale=False, relays=2),
    "there and back, a writer that sleeps": World(starts=(2,), writes=(1, 1), outage=False, stale=False),
    "two coordinators, an outage, a replica that lags": World(starts=(1, 1), writes=(0,), outage=True, stale=True),
}
"""By what happens in them; the last two are large, and not part of every test run."""

LARGE = tuple(WORLDS)[-2:]

RULES = {
    "R1": ("one cut-over, a writer that sleeps", "the n of the copy falls"),
    "R2": ("two coordinators, an outage", "the n of the row falls"),
    "R3": ("one cut-over, a writer that sleeps", "two leaders"),
    "R3 take-over": ("one cut-over, a writer that sleeps", "two leaders"),
    "R4": ("one cut-over, a writer that sleeps", "two leaders"),
    "R5": ("one cut-over, an outage, a replica that lags", "two leaders"),
    "R6": ("one cut-over, a writer that sleeps", "two leaders"),
    "COMMITTING": ("one cut-over, an outage, a replica that lags", "two leaders"),
    "fence": ("two coordinators on the way back", "lost"),
    "outbox": ("two coordinators on the way back", "lost"),
    "epoch": ("one cut-over, a writer that sleeps", "a new leader in the epoch of the old one"),
    "stragglers": ("one cut-over, a writer that sleeps", "never carried over"),
    "relay listens": ("one cut-over, a writer that sleeps", "lost"),
    "feed goes on": ("one cut-over, a writer that sleeps", "never carried over"),
}
"""Each rule with a world in which its absence shows, and what shows then."""
