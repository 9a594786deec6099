"""Starts the command line: `python -m mystira`."""

from mystira.cli import main

main()
