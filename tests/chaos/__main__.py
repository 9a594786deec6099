"""`python -m tests.chaos [--seconds N] [--kills N] [--seed N]`: one long run; the last line tells what it came to."""

import argparse
import asyncio
import sys
from random import SystemRandom

from tests.chaos.drive import Wanted, run


def main() -> int:
    """Run as asked; 1 when a promise was broken."""
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description="Real processes under fire.")
    parser.add_argument("--seconds", type=float, default=180.0, help="how long everything is killed")
    parser.add_argument("--kills", type=int, default=20, help="how often PostgreSQL is killed at least")
    parser.add_argument("--seed", type=int, default=SystemRandom().getrandbits(31), help="what chance comes from")
    given = parser.parse_args()
    outcome = asyncio.run(run(Wanted(seconds=given.seconds, kills=given.kills, seed=given.seed)))
    for sentence in outcome.broken:
        print(sentence)
    print(outcome.summary)
    return 1 if outcome.broken else 0


if __name__ == "__main__":
    sys.exit(main())
