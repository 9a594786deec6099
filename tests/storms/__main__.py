"""`python -m tests.storms --schedule package.module.function --seeds N [--from K] [--processes P]`."""

import sys

from tests.storms.runner import main

if __name__ == "__main__":
    sys.exit(main())
