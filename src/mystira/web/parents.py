"""The parent's step: before money is spent, whoever holds the device shows that they are grown up."""

import hmac
import secrets
from typing import Any, NamedTuple, cast

from litestar import Request
from litestar.datastructures import Cookie

from mystira.polyglot.keyed import keyed_hash
from mystira.polyglot.work import Works
from mystira.web.access import family
from mystira.web.cookies import cookie
from mystira.web.limits import Limit, refuse_too_often

PARENT_COOKIE = "mystira_parent"
STEP_LIVES_S = 15 * 60
TRIES = Limit("parent's step", 12, STEP_LIVES_S)
TENS = {12: "twelve", 13: "thirteen", 14: "fourteen", 15: "fifteen", 16: "sixteen", 17: "seventeen", 18: "eighteen"}
ONES = {6: "six", 7: "seven", 8: "eight", 9: "nine"}


class Question(NamedTuple):
    """Something that a grown-up answers and a small child does not; `seal` travels with the answer."""

    text: str
    seal: str


async def is_parent(request: Request[Any, Any, Any]) -> bool:
    """Tell whether a grown-up of this family has taken the step in this browser in the last quarter of an hour."""
    who = await family(request)
    until, _, mark = request.cookies.get(PARENT_COOKIE, "").partition(".")
    return _is_ours(request, "parent", f"{who.session_id}.{until}", mark) and _is_ahead(request, until)


async def question(request: Request[Any, Any, Any]) -> Question:
    """Return a new question for this family."""
    who = await family(request)
    ten, one = secrets.choice(list(TENS)), secrets.choice(list(ONES))
    asked = f"{ten}.{one}.{_now_s(request) + STEP_LIVES_S}"
    mark = keyed_hash(request.app.state.key, "parent-question", f"{who.session_id}.{asked}")
    return Question(f"What is {TENS[ten]} times {ONES[one]}?", f"{asked}.{mark}")


async def is_answered(request: Request[Any, Any, Any], seal: str, answer: str) -> bool:
    """Tell whether the answer fits the question that was sealed for this family; TooOften for whoever guesses."""
    who = await family(request)
    await refuse_too_often(request, TRIES, who.account_id)
    asked, _, mark = seal.rpartition(".")
    if not _is_ours(request, "parent-question", f"{who.session_id}.{asked}", mark):
        return False
    ten, one, until = asked.split(".")
    given = answer.strip()
    is_number = given.isascii() and given.isdigit() and len(given) < 6
    return is_number and int(given) == int(ten) * int(one) and _is_ahead(request, until)


async def parent_cookie(request: Request[Any, Any, Any]) -> Cookie:
    """Return what lets this browser spend money for a quarter of an hour, while the family is signed in."""
    who = await family(request)
    until = str(_now_s(request) + STEP_LIVES_S)
    mark = keyed_hash(request.app.state.key, "parent", f"{who.session_id}.{until}")
    return cookie(request, PARENT_COOKIE, f"{until}.{mark}", STEP_LIVES_S)


def _is_ours(request: Request[Any, Any, Any], purpose: str, text: str, mark: str) -> bool:
    return hmac.compare_digest(keyed_hash(request.app.state.key, purpose, text).encode(), mark.encode())


def _is_ahead(request: Request[Any, Any, Any], until: str) -> bool:
    return until.isdigit() and _now_s(request) < int(until)


def _now_s(request: Request[Any, Any, Any]) -> int:
    return int(cast(Works, request.app.state.works).clock().timestamp())
