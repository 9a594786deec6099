"""The administration in this process, with the sample stories."""

from collections.abc import AsyncIterator

import pytest

from mystira.run import SAMPLE_CONTENT
from mystira.services.app import seed
from tests.operations.conftest import Desk, desk

__all__ = ["desk"]


@pytest.fixture
async def authors(desk: Desk) -> AsyncIterator[Desk]:
    """Somebody who may edit has signed in."""
    await seed(desk.platform, SAMPLE_CONTENT, print)
    assert (await desk.sign_in("olga")).status_code == 303
    yield desk
