"""Files that strangers wrote: read with their places, or refused in one sentence and bounded time."""

import json
import resource
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mystira.textfiles.nodes import Node
from mystira.textfiles.reading import Refused, read


def plain(node: Node) -> object:
    if node.kind == "map":
        return {key.value: plain(value) for key, value in node.value}
    if node.kind == "list":
        return [plain(part) for part in node.value]
    return float(node.value) if node.kind == "float" else node.value


@pytest.mark.parametrize(
    "text, value",
    [
        ("a: No", {"a": "No"}),
        ("a: yes", {"a": "yes"}),
        ("a: 12:30", {"a": "12:30"}),
        ("a: 0777", {"a": 777}),
        ("a: 0o17", {"a": 15}),
        ("a: 1_000", {"a": "1_000"}),
        ("a: 2026-01-01", {"a": "2026-01-01"}),
        ("a: 0.25", {"a": 0.25}),
        ("a: ~", {"a": None}),
        ("a: 'true'", {"a": "true"}),
        ("a: true", {"a": True}),
        ("a: <<", {"a": "<<"}),
        ("a: |\n  one\n  two\n", {"a": "one\ntwo\n"}),
        ("a: &x [1]\nb: *x", {"a": [1], "b": [1]}),
        ("\ufeffa: 1", {"a": 1}),
    ],
)
def test_words_mean_what_the_core_schema_says(text: str, value: object) -> None:
    assert plain(read(text.encode())) == value


def test_every_part_knows_its_place() -> None:
    root = read(b"title: x\nscenes:\n  - id: one\n")
    (_, scenes) = root.value[1]
    (key, value) = scenes.value[0].value[0]
    assert (key.line, key.column, value.line, value.column) == (3, 5, 3, 9)


@pytest.mark.parametrize(
    "data, code, line",
    [
        (b"[" * 100_000, "too_deep", 1),
        (b"{a: " * 100_000, "too_deep", 1),
        (b"- " * 100_000, "too_deep", 1),
        (b"? " * 100_000 + b"a", "too_deep", 1),
        (b"\n".join(b" " * at + b"a:" for at in range(3_000)), "too_deep", 101),
        (b"x" * 50_000_000, "too_large", 1),
        (b"a: 1\nb: \xff", "not_utf8", 2),
        (b"a: 1\nb: \x00", "nul", 2),
        (b"a: 1\na: 2", "duplicate_key", 2),
        (b"a: !!python/object/apply:os.system ['true']", "tag", 1),
        (b"a: !!python/name:os.system x", "tag", 1),
        (b"a: !mine x", "tag", 1),
        (b"a: [1, 2", "unparsable", 1),
        (b"a: 1\n---\nb: 2", "unparsable", 2),
        (b"a: *nobody", "unparsable", 1),
        (b"a: \x01", "unreadable", 1),
        (b"{[1]: 2}", "bad_key", 1),
        (b"", "empty", 1),
        (b"# only a comment", "empty", 1),
        (
            b"a0: &a0 [x]\n"
            + b"".join(b"a%d: &a%d [%s]\n" % (n, n, b",".join([b"*a%d" % (n - 1)] * 10)) for n in range(1, 12)),
            "too_many",
            1,
        ),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_hostile_files_are_refused(data: bytes, code: str, line: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    begun = time.process_time()
    with pytest.raises(Refused) as refused:
        read(data)
    assert refused.value.why.code == code
    if code not in ("too_many", "empty"):
        assert abs(refused.value.why.line - line) <= 1
    grown_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown_kb < 400_000, f"memory grew by {grown_kb} kB"
    assert time.process_time() - begun < 60


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.text(st.characters(codec="utf-8"), max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(st.sampled_from("abcé"), min_size=1), inner, max_size=3)
    ),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from("abcd"), json_values, min_size=1), st.sampled_from([None, 2]))
def test_json_reads_as_json(value: dict[str, object], indent: int | None) -> None:
    assert plain(read(json.dumps(value, indent=indent).encode())) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        assert isinstance(read(data), Node)
    except Refused as refused:
        assert refused.why.message
