"""`python -m demo`: moves three collections to PostgreSQL and back while families play and things are killed."""

import asyncio
import os
import signal
import sys

from demo.script import Wanted, perform

LONG_S = 180.0
SHORTEST_S = 20.0


def main() -> None:
    """Run the demonstration; DEMO_S is about how many seconds it should take. Exit code 0 only if nothing was lost."""
    given = os.environ.get("DEMO_S") or str(LONG_S)
    try:
        seconds = max(SHORTEST_S, float(given))
    except ValueError:
        print(f"DEMO_S is {given!r}: write a number of seconds, like DEMO_S=60.", file=sys.stderr)
        raise SystemExit(2) from None
    is_long = seconds >= LONG_S
    wanted = Wanted(
        seconds=seconds,
        families=2_000 if is_long else 300,
        players=50 if is_long else 12,
        killed=("worker", "app") if is_long else ("worker",),
    )
    # A closed terminal and a time limit end it as Ctrl-C does: no service must stay behind.
    # Whoever starts it in the background has made it deaf to Ctrl-C, by which all of them are told.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    for ending in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(ending, lambda *_: signal.raise_signal(signal.SIGINT))
    try:
        is_good = asyncio.run(perform(wanted))
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    raise SystemExit(0 if is_good else 1)


if __name__ == "__main__":
    main()
