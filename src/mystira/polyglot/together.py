"""Awaits several calls at once: most of the time of each is spent waiting for a store's answer."""

import asyncio
from collections.abc import Coroutine, Iterable
from typing import Any, TypeVar

T = TypeVar("T")


async def together(calls: Iterable[Coroutine[Any, Any, T]]) -> list[T]:
    """Return what the calls return, in their order; when the first error is raised, all of them have ended."""
    waiting = list(calls)
    if len(waiting) == 1:
        # One alone, as nearly always, needs no task of its own.
        return [await waiting[0]]
    answers: list[T] = []
    for answer in await asyncio.gather(*waiting, return_exceptions=True):
        if isinstance(answer, BaseException):
            raise answer
        answers.append(answer)
    return answers
