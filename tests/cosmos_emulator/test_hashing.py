"""The endpoint puts a key where the official SDK looks for it."""

from typing import Any

import pytest
from azure.cosmos.partition_key import NonePartitionKeyValue, PartitionKey
from hypothesis import given
from hypothesis import strategies as st

from mystira.cosmos_emulator.hashing import UNDEFINED, Component, hashed

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)
COMPONENTS: st.SearchStrategy[Component] = st.one_of(
    TEXT,
    st.booleans(),
    st.just(UNDEFINED),
    st.floats(allow_nan=False, allow_infinity=False),
    st.integers(-(2**40), 2**40),
)


def by_the_sdk(key: list[Component], paths: Any, version: int = 2) -> str:
    values = [NonePartitionKeyValue if component is UNDEFINED else component for component in key]
    return PartitionKey(paths, version=version)._get_effective_partition_key_string(values)


@given(COMPONENTS)
def test_a_key_lies_where_the_sdk_looks_for_it(key: Component) -> None:
    assert hashed([key], hierarchical=False, version=2) == by_the_sdk([key], "/a")


@given(st.lists(COMPONENTS, min_size=1, max_size=3))
def test_a_hierarchical_key_and_its_prefixes_lie_where_the_sdk_looks_for_them(key: list[Component]) -> None:
    assert hashed(key, hierarchical=True, version=2) == by_the_sdk(key, ["/a", "/b", "/c"])


@given(st.one_of(TEXT, st.text("ab", min_size=90, max_size=110), st.booleans(), st.integers(0, 2**32 - 1)))
def test_a_key_of_the_first_version_lies_where_the_sdk_looks_for_it(key: Component) -> None:
    # The SDK folds numbers into 32 bits here, so only those are compared; it writes lower-case digits.
    expected = by_the_sdk([float(key) if type(key) is int else key], "/a", version=1)
    assert hashed([key], hierarchical=False, version=1) == expected.upper()


@pytest.mark.parametrize(("key", "place"), [("redmond", "22E342F38A486A088463DFF7838A5963")])
def test_a_known_key_has_its_published_place(key: str, place: str) -> None:
    assert hashed([key], hierarchical=False, version=2) == place
