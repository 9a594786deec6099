"""Partial updates and transactional batches through the official client."""

from typing import Any

import pytest
from azure.cosmos.aio import ContainerProxy
from azure.cosmos.exceptions import CosmosBatchOperationError, CosmosHttpResponseError, CosmosResourceNotFoundError

pytestmark = pytest.mark.anyio

ITEM: dict[str, Any] = {"id": "1", "tenant": "a", "n": 1, "list": [1, 2, 3], "deep": {"x": 1, "y": {"z": 2}}}


@pytest.mark.parametrize(
    ("operation", "expected"),
    [
        ({"op": "add", "path": "/new", "value": [1]}, {"new": [1]}),
        ({"op": "add", "path": "/n", "value": 5}, {"n": 5}),
        ({"op": "add", "path": "/list/1", "value": 9}, {"list": [1, 9, 2, 3]}),
        ({"op": "add", "path": "/list/-", "value": 9}, {"list": [1, 2, 3, 9]}),
        ({"op": "set", "path": "/list/1", "value": 9}, {"list": [1, 9, 3]}),
        ({"op": "set", "path": "/list/3", "value": 9}, {"list": [1, 2, 3, 9]}),
        ({"op": "set", "path": "/deep/new", "value": None}, {"deep": {"x": 1, "y": {"z": 2}, "new": None}}),
        ({"op": "replace", "path": "/deep/y/z", "value": "q"}, {"deep": {"x": 1, "y": {"z": "q"}}}),
        ({"op": "remove", "path": "/list/0"}, {"list": [2, 3]}),
        ({"op": "remove", "path": "/deep/y"}, {"deep": {"x": 1}}),
        ({"op": "incr", "path": "/n", "value": 2}, {"n": 3}),
        ({"op": "incr", "path": "/n", "value": -0.5}, {"n": 0.5}),
        ({"op": "incr", "path": "/deep/new", "value": 2}, {"deep": {"x": 1, "y": {"z": 2}, "new": 2}}),
        ({"op": "incr", "path": "/list/0", "value": 2}, {"list": [3, 2, 3]}),
        ({"op": "move", "from": "/deep/x", "path": "/x"}, {"x": 1, "deep": {"y": {"z": 2}}}),
        ({"op": "move", "from": "/n", "path": "/list/0"}, {"list": [1, 1, 2, 3]}),
    ],
)
async def test_a_patch_changes_what_it_names(
    container: ContainerProxy, operation: dict[str, Any], expected: dict[str, Any]
) -> None:
    await container.create_item(ITEM)
    await container.patch_item("1", "a", [operation])
    read = await container.read_item("1", "a")
    assert {name: read[name] for name in expected} == expected


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "replace", "path": "/missing", "value": 1},
        {"op": "remove", "path": "/missing"},
        {"op": "set", "path": "/missing/deep", "value": 1},
        {"op": "set", "path": "/list/7", "value": 1},
        {"op": "add", "path": "/list/x", "value": 1},
        {"op": "incr", "path": "/list", "value": 1},
        {"op": "incr", "path": "/n", "value": "1"},
        {"op": "move", "from": "/missing", "path": "/x"},
        {"op": "move", "from": "/deep", "path": "/deep/y/w"},
        {"op": "set", "path": "/id", "value": "2"},
        {"op": "set", "path": "/tenant", "value": "b"},
        {"op": "remove", "path": "/_etag"},
        {"op": "test", "path": "/n", "value": 1},
        {"op": "set", "path": "n", "value": 1},
        {"op": "set", "path": "/n"},
    ],
)
async def test_a_patch_that_cannot_be_done_changes_nothing(
    container: ContainerProxy, operation: dict[str, Any]
) -> None:
    made = await container.create_item(ITEM)
    with pytest.raises(CosmosHttpResponseError) as refused:
        await container.patch_item("1", "a", [{"op": "set", "path": "/n", "value": 7}, operation])
    assert refused.value.status_code == 400
    assert await container.read_item("1", "a") == made


async def test_a_patch_has_at_most_ten_operations(container: ContainerProxy) -> None:
    await container.create_item(ITEM)
    operations = [{"op": "incr", "path": "/n", "value": 1}] * 11
    with pytest.raises(CosmosHttpResponseError):
        await container.patch_item("1", "a", operations)
    assert (await container.patch_item("1", "a", operations[:10]))["n"] == 11


async def test_a_batch_does_everything(container: ContainerProxy) -> None:
    old = await container.create_item({"id": "old", "tenant": "a", "n": 1})
    await container.create_item({"id": "gone", "tenant": "a"})
    results = await container.execute_item_batch(
        [
            ("create", ({"id": "1", "tenant": "a"},)),
            ("upsert", ({"id": "1", "tenant": "a", "n": 5},)),
            ("replace", ("old", {"id": "old", "tenant": "a", "n": 2}), {"if_match_etag": old["_etag"]}),
            ("patch", ("old", [{"op": "incr", "path": "/n", "value": 40}])),
            ("read", ("old",)),
            ("delete", ("gone",)),
        ],
        "a",
    )
    assert [result["statusCode"] for result in results] == [201, 200, 200, 200, 200, 204]
    assert results[4]["resourceBody"]["n"] == 42
    assert results[4]["eTag"] == (await container.read_item("old", "a"))["_etag"]
    with pytest.raises(CosmosResourceNotFoundError):
        await container.read_item("gone", "a")


@pytest.mark.parametrize(
    ("last", "status"),
    [
        (("create", ({"id": "old", "tenant": "a"},)), 409),
        (("replace", ("missing", {"id": "missing", "tenant": "a"})), 404),
        (("delete", ("old",), {"if_match_etag": '"stale"'}), 412),
        (("create", ({"id": "3", "tenant": "b"},)), 400),
        (("patch", ("old", [{"op": "remove", "path": "/missing"}])), 400),
    ],
)
async def test_a_batch_does_nothing_when_one_operation_is_refused(
    container: ContainerProxy, last: Any, status: int
) -> None:
    await container.create_item({"id": "old", "tenant": "a", "n": 1})
    with pytest.raises(CosmosBatchOperationError) as refused:
        await container.execute_item_batch(
            [
                ("create", ({"id": "1", "tenant": "a"},)),
                ("replace", ("old", {"id": "old", "tenant": "a", "n": 2})),
                last,
                ("read", ("old",)),
            ],
            "a",
        )
    assert refused.value.status_code == status and refused.value.error_index == 2
    assert [one["statusCode"] for one in refused.value.operation_responses] == [424, 424, status, 424]
    assert (await container.read_item("old", "a"))["n"] == 1
    with pytest.raises(CosmosResourceNotFoundError):
        await container.read_item("1", "a")


async def test_a_batch_has_at_most_a_hundred_operations_and_two_megabytes(container: ContainerProxy) -> None:
    many = [("upsert", ({"id": str(number), "tenant": "a"},)) for number in range(101)]
    with pytest.raises(CosmosHttpResponseError) as refused:
        await container.execute_item_batch(many, "a")
    assert refused.value.status_code == 400
    assert len(await container.execute_item_batch(many[:100], "a")) == 100
    large = [("upsert", ({"id": str(number), "tenant": "a", "text": "x" * 300_000},)) for number in range(8)]
    with pytest.raises(CosmosHttpResponseError) as refused:
        await container.execute_item_batch(large, "a")
    assert refused.value.status_code == 413


async def test_a_patch_costs_what_a_replacement_costs(container: ContainerProxy) -> None:
    # docs/stores.md says so, and the store replaces: where this changes, patching to prune told events is worth a look.
    item = {"id": "a", "tenant": "p", "text": "x" * 700, "events": ["one", "two"]}
    await container.create_item(item)
    charged: list[str] = []

    def note(headers: Any, *_: Any) -> None:
        charged.append(headers["x-ms-request-charge"])

    removing = [{"op": "set", "path": "/events", "value": []}]
    await container.patch_item("a", "p", removing, response_hook=note)
    await container.replace_item("a", item, response_hook=note)
    await container.replace_item("a", item | {"events": []}, response_hook=note)
    assert charged[0] == charged[2], charged
