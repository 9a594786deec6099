"""Limits: how many at once, how they come back, whose they are, and that nobody can fill the memory."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from litestar import post
from litestar.testing import TestClient

from mystira.web.access import allow
from mystira.web.app import make_app
from mystira.web.limits import Buckets, Limit, Limits, client_key

pytestmark = pytest.mark.anyio
THREE = Limit("three", 3, 60)


class Clock:
    def __init__(self) -> None:
        self.now_s = 1_000.0

    def __call__(self) -> float:
        return self.now_s


@post("/write", opt=allow("anyone"))
async def write() -> None:
    return None


@post("/write/page", opt=allow("anyone", page=True))
async def write_page() -> None:
    return None


async def nobody(connection: Any) -> None:
    return None


class Asking:
    def __init__(self, host: str) -> None:
        self.scope = {"client": (host, 1)}


async def test_what_was_taken_comes_back_with_time() -> None:
    clock = Clock()
    buckets = Buckets(clock)
    assert [await buckets.take(THREE, "a") for _ in range(4)] == [0, 0, 0, pytest.approx(20)]
    assert await buckets.take(THREE, "b") == 0
    clock.now_s += 19
    assert await buckets.take(THREE, "a") == pytest.approx(1)
    clock.now_s += 1.01
    assert await buckets.take(THREE, "a") == 0
    assert await buckets.take(THREE, "a") > 0
    clock.now_s += 100_000
    assert [await buckets.take(THREE, "a") for _ in range(4)] == [0, 0, 0, pytest.approx(20)]


@given(st.lists(st.floats(min_value=0, max_value=30), max_size=60))
async def test_no_window_sees_more_than_twice_the_limit(pauses: list[float]) -> None:
    clock = Clock()
    buckets = Buckets(clock)
    granted: list[float] = []
    for pause in pauses:
        clock.now_s += pause
        if await buckets.take(THREE, "a") == 0:
            granted.append(clock.now_s)
    for began in granted:
        assert sum(began <= at < began + THREE.window_s for at in granted) <= 2 * THREE.most


async def test_the_memory_is_bounded_and_the_busy_ones_stay() -> None:
    buckets = Buckets(Clock(), most=100)
    for number in range(1_000):
        await buckets.take(THREE, "busy")
        await buckets.take(THREE, f"passer-by {number}")
    assert len(buckets) == 100
    assert await buckets.take(THREE, "busy") > 0


@pytest.mark.parametrize(
    "one, other, are_the_same",
    [
        ("192.0.2.1", "192.0.2.2", False),
        ("2001:db8:1:2::1", "2001:db8:1:2:ffff::9", True),
        ("2001:db8:1:2::1", "2001:db8:1:3::1", False),
        ("::ffff:192.0.2.1", "192.0.2.1", True),
        ("fe80::1%eth0", "fe80::2%eth1", True),
        ("testclient", "testclient", True),
    ],
)
def test_a_household_is_one_client(one: str, other: str, are_the_same: bool) -> None:
    assert (client_key(Asking(one)) == client_key(Asking(other))) is are_the_same


def test_too_many_writes_are_refused_with_the_seconds_to_wait() -> None:
    clock = Clock()
    limits = Limits(writes=Limit("writes", 3, 60))
    app = make_app([write, write_page], authenticate=nobody, limits=limits, take=Buckets(clock).take)
    with TestClient(app) as client:
        assert [client.post("/write").status_code for _ in range(3)] == [201, 201, 201]
        refused = client.post("/write")
        assert (refused.status_code, refused.json()["code"]) == (429, "too_often")
        assert refused.headers["retry-after"] == "20" and refused.json()["retry_after_s"] == 20
        assert refused.headers["content-type"].startswith("application/problem+json")
        shown = client.post("/write/page")
        assert shown.status_code == 429 and shown.headers["retry-after"] == "20"
        assert "Please wait 20 seconds" in shown.text and "<html" in shown.text
        assert client.get("/health/live").status_code == 200
        clock.now_s += 20.01
        assert client.post("/write").status_code == 201


def test_without_limits_nothing_is_counted() -> None:
    with TestClient(make_app([write], authenticate=nobody)) as client:
        assert {client.post("/write").status_code for _ in range(100)} == {201}
