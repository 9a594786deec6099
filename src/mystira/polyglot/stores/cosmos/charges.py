"""What a call costs, as the service tells it with every answer."""

from collections.abc import Mapping
from typing import Any

CHARGE = "x-ms-request-charge"


class Charge:
    """Adds up the request units of one call; the client calls it with the headers of each answer."""

    def __init__(self) -> None:
        self.units = 0.0

    def __call__(self, headers: Mapping[str, Any], answer: Any = None) -> None:
        try:
            self.units += float(headers.get(CHARGE, 0.0))
        except ValueError:
            return
