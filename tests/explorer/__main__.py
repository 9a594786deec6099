"""`python -m tests.explorer [--rule-off R3] [--world NAME]`: visit every state of the control protocol."""

import argparse
import sys

from tests.explorer.search import Reached, explore
from tests.explorer.worlds import RULES, WORLDS


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.explorer", description=__doc__)
    parser.add_argument("--rule-off", choices=RULES, help="what nobody keeps: a fault must be found")
    parser.add_argument("--world", choices=WORLDS, help="only this one")
    given = parser.parse_args()
    rule = given.rule_off
    names = [given.world] if given.world else [RULES[rule][0]] if rule else list(WORLDS)
    return max([tell(name, rule) for name in names])


def show(name: str, reached: Reached | None) -> None:
    """Say how far it is, where somebody looks; nothing once it is over."""
    if sys.stderr.isatty():
        told = (
            ""
            if reached is None
            else f"{name}: depth {reached.depth}, {reached.states:,} states, {reached.waiting:,} wait"
        )
        print(f"\r{told:<79}", end="\r" if reached is None else "", file=sys.stderr, flush=True)


def tell(name: str, rule: str | None) -> int:
    """Explore one world and print what was found; 1 if that is a fault."""
    found = explore(WORLDS[name]._replace(without=frozenset({rule} - {None})), lambda reached: show(name, reached))
    show(name, None)
    reached = f"{found.states:,} states, depth {found.depth}, {found.seconds:.1f} s"
    print(f"{name}: {reached}: {found.fault or 'no fault'}", flush=True)
    for number, step in enumerate(found.trace, start=1):
        print(f"  {number:2} {step}")
    return int(bool(found.fault))


if __name__ == "__main__":
    sys.exit(main())
