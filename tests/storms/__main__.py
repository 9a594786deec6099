"""`python -m tests.storms --seeds N [--from K] [--processes P] [--trace] [MUTANT]`, or any other `--schedule`."""

import sys

from tests.storms.runner import main

if __name__ == "__main__":
    sys.exit(main("tests.storms.invariants.schedule"))
