"""Measures every call of a store from outside, so that no store needs to know of it."""

import inspect
import time
from collections.abc import Awaitable, Callable
from typing import Any, cast

from mystira.polyglot import measures
from mystira.polyglot.collection import Collection
from mystira.polyglot.journal import Merged
from mystira.polyglot.store import StoreError

PARTS = ("journal", "digests", "reports")
"""What a relational store keeps beside its records."""


def measure(store: object, name: str) -> None:
    """Measure every call of this store, and of its parts, from now on."""
    for operation, call in inspect.getmembers(store, inspect.iscoroutinefunction):
        if not operation.startswith("_"):
            setattr(store, operation, _measured(name, operation, call))
    for part in PARTS:
        if hasattr(store, part):
            measure(getattr(store, part), name)


def _measured(store: str, operation: str, call: Callable[..., Awaitable[Any]]) -> Callable[..., Awaitable[Any]]:
    steady = time.perf_counter
    note = _note_merge if operation == "merge" else None

    async def measured(*args: Any, **kwargs: Any) -> Any:
        outcome = "ok"
        token = measures.operation.set(operation)
        began = steady()
        try:
            answer = await call(*args, **kwargs)
            if note is not None:
                note(args[0], answer)
            return answer
        except StoreError as error:
            outcome = error.code
            raise
        except BaseException as error:
            outcome = type(error).__name__
            raise
        finally:
            seconds = steady() - began
            measures.operation.reset(token)
            measures.STORE_CALLS.observe(seconds, store, operation, outcome)
            if args and isinstance(args[0], Collection):
                about = store, cast(Collection[Any], args[0]).name, operation
                measures.COLLECTION_CALLS.add(*about)
                measures.COLLECTION_SECONDS.add(*about, by=seconds)

    return measured


def _note_merge(collection: Collection[Any], merged: Merged) -> None:
    name = collection.name
    for result in ("applied", "same", "superseded", "parked", "conflicts"):
        number = getattr(merged, result)
        if number:
            measures.MERGES.add(name, result, by=number)
    if merged.stragglers:
        measures.STRAGGLERS.add(name, by=merged.stragglers)
