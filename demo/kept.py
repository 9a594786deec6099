"""`python -m demo.kept FILE`: puts what a run has printed into docs/demo.md, in the place of the run before."""

import re
import sys
from pathlib import Path

PAGE = Path(__file__).parents[1] / "docs/demo.md"
BLOCK = re.compile(r"^```\n.*?^```$", re.DOTALL | re.MULTILINE)
CHAPTER = re.compile(r"== (.*) ==$", re.MULTILINE)
PASSWORD = re.compile(r"with the password \S+$", re.MULTILINE)


def chapters(text: str) -> list[str]:
    """Return the chapters that a run has told, without its numbers."""
    return [re.sub(r"\d+", "N", heading) for heading in CHAPTER.findall(text)]


def with_run(page: str, run: str) -> str:
    """Return the page with this run; a password is nobody's business, even one that opens nothing any more."""
    told = PASSWORD.sub("with the password (a new one each time)", run.strip("\n"))
    return BLOCK.sub(lambda _: f"```\n{told}\n```", page, count=1)


def main() -> None:
    """Replace the run on the page, unless it did not come out well."""
    run = Path(sys.argv[1]).read_text()
    if not run.rstrip().endswith("Nothing was lost."):
        print("This run does not end with `Nothing was lost.`, so the page stays as it is.", file=sys.stderr)
        raise SystemExit(1)
    PAGE.write_text(with_run(PAGE.read_text(), run))
    print(f"{PAGE} has this run now. Its date, and what is said below the run, are yours to write.")


if __name__ == "__main__":
    main()
