"""A prepared place for each test module."""

from collections.abc import Iterator

import pytest

from tests.migrating.place import Place, prepared


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    """A data folder with thirty players."""
    with prepared(tmp_path_factory.mktemp("migrating") / "data") as found:
        yield found
