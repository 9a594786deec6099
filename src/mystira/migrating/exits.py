"""Exit codes that scripts can use, told in docs/migrate.md."""

from typing import NoReturn

from mystira.migrating.answers import Refusal, Refused
from mystira.polyglot.certificate import Gate
from mystira.polyglot.cutover import GateClosed
from mystira.polyglot.gates import UnknownGate
from mystira.polyglot.problem import Kind, Problem
from mystira.polyglot.repair_plan import BadPlan
from mystira.polyglot.shadow import NotARate
from mystira.polyglot.store import StoreError
from mystira.polyglot.transition import TransitionAborted
from mystira.settings import SettingsWrong
from mystira.terminal import agrees, can_ask, print_json, say_apart

DONE = 0
FAILED = 1
USAGE = 2
GATE_CLOSED = 3
DIFFERENCES = 4
TAKEN_BACK = 5
UNAVAILABLE = 6


class WrongUse(Problem):
    """{advice}"""


class NotConfirmed(Problem):
    """Nothing was changed, because the answer was not yes."""

    kind = Kind.CONFLICT


_CODES: dict[type[Problem], int] = {
    WrongUse: USAGE,
    UnknownGate: USAGE,
    NotARate: USAGE,
    BadPlan: USAGE,
    SettingsWrong: USAGE,
    GateClosed: GATE_CLOSED,
    NotConfirmed: TAKEN_BACK,
    TransitionAborted: TAKEN_BACK,
}


def code_of(problem: Problem) -> int:
    """Return the exit code of a refusal."""
    if type(problem) in _CODES:
        return _CODES[type(problem)]
    return UNAVAILABLE if problem.kind is Kind.UNAVAILABLE else FAILED


def refuse(problem: Problem, *, json: bool, gates: tuple[Gate, ...] = ()) -> NoReturn:
    """Tell why it was refused, on the side that reads it, and end with the code that says so to scripts."""
    if json:
        refusal = Refusal(code=problem.code, kind=problem.kind, message=told(problem), gates=gates)
        print_json(Refused(problem=refusal))
    else:
        say_apart(told(problem))
    raise SystemExit(code_of(problem))


def told(problem: Problem) -> str:
    """Return the message, and for an operator also what the store said."""
    if isinstance(problem, StoreError) and problem.detail:
        return f"{problem.message} ({problem.detail})"
    return problem.message


async def confirm(question: str, *, yes: bool) -> None:
    """Return once somebody has agreed; WrongUse where nobody can be asked."""
    if yes:
        return
    if not can_ask():
        raise WrongUse(
            advice="This asks first, and there is no terminal to ask at. Add --yes to do it without a question."
        )
    if not await agrees(question):
        raise NotConfirmed
