"""Bodies from strangers: every error with its own path, in bounded time and memory, and nothing unstorable."""

import json
import time
import tracemalloc
from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Annotated, Any

import msgspec
import pytest

from mystira.web.bodies import Body, BodyInvalid, BodyTooLarge, convert, read_body, read_form


class Leaf(Body, frozen=True, kw_only=True):
    name: str
    size: Annotated[int, msgspec.Meta(ge=1, le=9)] = 1


class Circle(Body, frozen=True, kw_only=True, tag_field="kind", tag="circle"):
    radius: int


class Square(Body, frozen=True, kw_only=True, tag_field="kind", tag="square"):
    side: int


class Tree(Body, frozen=True, kw_only=True):
    leaf: Leaf | None = None
    leaves: Annotated[tuple[Leaf, ...], msgspec.Meta(max_length=3)] = ()
    by_name: dict[str, Leaf] = {}
    maybe: dict[str, Leaf | None] | None = None
    pair: tuple[str, int] | None = None
    shape: Circle | Square | None = None
    weight: float = 0.0
    count: int = 0
    tags: tuple[str, ...] | None = None


class Sent:
    """What a body reader needs of a request: its route, headers, and the bytes in pieces."""

    def __init__(self, raw: bytes, kind: str = "application/json") -> None:
        self.headers = {"content-type": kind}
        self.route_handler = SimpleNamespace(opt={})
        self._raw = raw

    async def stream(self) -> Any:
        for at in range(0, len(self._raw), 65_536):
            yield self._raw[at : at + 65_536]


pytestmark = pytest.mark.anyio


async def wrongs(raw: bytes | dict[str, Any]) -> dict[str, str]:
    sent = Sent(json.dumps(raw).encode() if isinstance(raw, dict) else raw)
    with pytest.raises(BodyInvalid) as refused:
        await read_body(sent, Tree)  # type: ignore[arg-type]
    return {error["path"]: error["message"] for error in refused.value.facts["errors"]}


@pytest.mark.parametrize(
    "body, paths",
    [
        ({"leaf": {"name": 1, "size": "x", "more": 1}}, {"$.leaf.name", "$.leaf.size", "$.leaf.more"}),
        ({"by_name": {"a": {"name": 1}, "b": {}, "c": {"name": "x"}}}, {"$.by_name.a.name", "$.by_name.b.name"}),
        ({"maybe": {"a": None, "b": {"name": 2, "size": 10}}}, {"$.maybe.b.name", "$.maybe.b.size"}),
        ({"leaves": [{"name": 1}, {"name": "x", "size": 0}]}, {"$.leaves[0].name", "$.leaves[1].size"}),
        ({"leaves": [{"name": "x"}] * 4}, {"$.leaves"}),
        ({"pair": [1, "x"]}, {"$.pair[0]", "$.pair[1]"}),
        ({"pair": ["x"]}, {"$.pair"}),
        ({"shape": {"kind": "circle", "radius": "x", "side": 1}}, {"$.shape.radius", "$.shape.side"}),
        ({"shape": {"kind": "star"}}, {"$.shape"}),
        ({"leaf": 3, "count": "3", "tags": [1, 2]}, {"$.leaf", "$.count", "$.tags[0]", "$.tags[1]"}),
    ],
    ids=range(10),
)
async def test_each_error_is_told_where_it_is(body: dict[str, Any], paths: set[str]) -> None:
    assert set(await wrongs(body)) == paths


@pytest.mark.parametrize(
    "raw, path",
    [
        (b'{"weight": 1e999}', "$.weight"),
        (b'{"weight": -1e999}', "$.weight"),
        (b'{"count": 9223372036854775808}', "$.count"),
        (b'{"count": ' + b"9" * 5_000 + b"}", "$"),
        (b'{"by_name": {"a\\u0000": {"name": "x"}}}', "$.by_name"),
        (b'{"leaves": [{"name": "\\ud800"}]}', "$.leaves[0].name"),
        (b'{"weight": Infinity}', "$"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_what_no_store_keeps_is_refused(raw: bytes, path: str) -> None:
    assert set(await wrongs(raw)) == {path}


@pytest.mark.parametrize("text", ["nan", "inf", "-infinity", "1e999", "NaN"])
async def test_a_form_cannot_bring_a_number_without_end(text: str) -> None:
    with pytest.raises(BodyInvalid):
        await read_form(Sent(f"weight={text}".encode(), "application/x-www-form-urlencoded"), Tree)  # type: ignore[arg-type]


async def test_the_lines_of_a_form_end_as_they_did_when_it_was_shown() -> None:
    form = await read_form(Sent(b"tags=one%0D%0Atwo&tags=three%0Afour"), Tree)  # type: ignore[arg-type]
    assert form.tags == ("one\ntwo", "three\nfour")


async def test_a_form_may_send_an_optional_list() -> None:
    form = await read_form(Sent(b"tags=a&tags=b"), Tree)  # type: ignore[arg-type]
    assert form.tags == ("a", "b")


REPEATED = ("{" + "".join(f'"k{number}": 1, ' for number in range(16_000)) + '"k7": 2}').encode()


async def test_a_repeated_key_is_refused_by_name() -> None:
    found = await wrongs(REPEATED)
    assert found == {"$": "the key 'k7' is there twice"}


LARGE = json.dumps({"leaves": [{"name": str(n), "size": 1} for n in range(8_000)]}).encode()


async def parsed(raw: bytes) -> None:
    json.loads(raw)


async def work_of(do: Callable[[bytes], Awaitable[object]], raw: bytes) -> float:
    """Return seconds of the processor: compared with others of the same moment, a slow machine changes nothing."""
    spent: list[float] = []
    for _ in range(3):
        began = time.process_time()
        await do(raw)
        spent.append(time.process_time() - began)
    return min(spent)


@pytest.mark.parametrize(
    "raw",
    [
        b'{"' + b"x" * 100_000 + b'": [' + b'{"a": "\\u0000"},' * 9_000 + b"1]}",
        b"{" + b",".join(b'"%d": 1, "%d": 1' % (number, number) for number in range(8_000)) + b"}",
        b'{"leaves": [' + b",".join([b'{"a":1,"b":2}'] * 15_000) + b"]}",
        b"[]" * 100_000,
        REPEATED,
        b'"' + b"\\" * 200_000,
        b'{"by_name": {' + b",".join(b'"%d": 3' % number for number in range(20_000)) + b"}}",
    ],
    ids=lambda value: value[:20].decode(),
)
async def test_any_body_is_refused_with_bounded_work_and_memory(raw: bytes) -> None:
    assert len(raw) <= 256 * 1024
    found = await wrongs(raw)
    assert 1 <= len(found) <= 100
    assert await work_of(wrongs, raw) < 60 * await work_of(parsed, LARGE)
    tracemalloc.start()
    await wrongs(raw)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < 32 * 1024 * 1024
    assert all(len(path) < 500 and len(message) < 500 for path, message in found.items())


async def test_more_than_the_limit_is_refused_while_it_arrives() -> None:
    with pytest.raises(BodyTooLarge):
        await read_body(Sent(b" " * 300_000), Tree)  # type: ignore[arg-type]


def test_a_good_value_comes_through_unchanged() -> None:
    tree = Tree(leaf=Leaf(name="x"), by_name={"a": Leaf(name="y", size=9)}, shape=Square(side=2), pair=("a", 1))
    assert convert(msgspec.to_builtins(tree), Tree, strict=True) == tree
