"""What the demonstration says, with the seconds since it began."""

import time


class Teller:
    """Tells a story with headings; every line carries its time."""

    def __init__(self) -> None:
        self._began = time.monotonic()

    @property
    def seconds(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    def heading(self, text: str) -> None:
        """Begin a chapter."""
        print(f"\n{self._at}  == {text} ==", flush=True)

    def line(self, text: str) -> None:
        """Tell one thing."""
        for part in text.splitlines():
            print(f"{self._at}  {part}", flush=True)

    @property
    def _at(self) -> str:
        return f"{self.seconds:6.1f} s"
