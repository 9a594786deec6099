"""The small models that are visited whole, and the rules that can be taken away."""

from tests.explorer.state import REVERSED, World

WORLDS = {
    "one cut-over": World(starts=(1,), writes=(1, 0), outage=False, stale=False),
    "a writer that sleeps": World(starts=(1,), writes=(1, 1), outage=False, stale=False, deaths=False),
    "an outage, a replica that lags": World(starts=(1,), writes=(0,), outage=True, stale=True),
    "a writer that is new": World(starts=(1,), writes=(1,), outage=False, stale=True, entered=False),
    "two coordinators": World(starts=(1, 1), writes=(0,), outage=False, stale=False, deaths=False),
    "the way back": World(starts=(1,), writes=(2,), outage=True, stale=False, phase=REVERSED),
    "there and back, two relays": World(starts=(2,), writes=(2,), outage=False, stale=False, relays=2, deaths=False),
    "two coordinators that die": World(starts=(1, 1), writes=(0,), outage=False, stale=False),
    "two on the way back": World(starts=(1, 1), writes=(1,), outage=False, stale=False, phase=REVERSED),
    "two coordinators, an outage": World(starts=(1, 1), writes=(0,), outage=True, stale=False, deaths=False),
    "there and back, deaths, an outage": World(starts=(2,), writes=(1,), outage=True, stale=False),
    "a writer that sleeps, and deaths": World(starts=(1,), writes=(1, 1), outage=False, stale=False),
    "two coordinators that die, an outage": World(starts=(1, 1), writes=(0,), outage=True, stale=False),
    "all at once": World(starts=(1, 1), writes=(1,), outage=True, stale=False),
    "all at once, on the way back": World(starts=(1, 1), writes=(1,), outage=True, stale=False, phase=REVERSED),
    "all at once, a replica that lags": World(starts=(1, 1), writes=(1,), outage=True, stale=True),
}
"""By what happens in them; the last five take long, and are not part of a test run."""

LARGE = tuple(WORLDS)[-5:]

RULES = {
    "R1": ("one cut-over", "the n of the copy falls"),
    "R2": ("two coordinators", "the n of the row falls"),
    "R3": ("one cut-over", "two leaders"),
    "R3 take-over": ("one cut-over", "two leaders"),
    "R4": ("one cut-over", "two leaders"),
    "R5": ("an outage, a replica that lags", "two leaders"),
    "R6": ("one cut-over", "two leaders"),
    "COMMITTING": ("an outage, a replica that lags", "two leaders"),
    "roster": ("a writer that is new", "two leaders"),
    "stand down": ("one cut-over", "two leaders"),
    "writes on their way": ("one cut-over", "on its way to the documents after the flip"),
    "strike": ("two coordinators", "two leaders"),
    "fence": ("the way back", "lost"),
    "outbox": ("the way back", "lost"),
    "epoch": ("one cut-over", "a new leader in the epoch of the old one"),
    "stragglers": ("a writer that sleeps", "never carried over"),
    "relay listens": ("a writer that sleeps", "lost"),
    "feed goes on": ("a writer that sleeps", "never carried over"),
}
"""Each rule with a world in which its absence shows, and what shows then."""
