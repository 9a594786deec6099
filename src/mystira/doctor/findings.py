"""What a look at one thing found: fine, worth knowing, or wrong, and then what to do."""

from enum import StrEnum

import msgspec


class Health(StrEnum):
    """Whether something is as it should be."""

    OK = "ok"
    WARNING = "warning"
    WRONG = "wrong"


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the doctor's. `advice` says what to do, where something is to be done."""

    name: str
    health: Health
    found: str
    advice: str = ""


class Diagnosis(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that was looked at, and the worst of it."""

    health: Health
    findings: tuple[Finding, ...]


def fine(name: str, found: str) -> Finding:
    """Return a finding with which nothing is to be done."""
    return Finding(name=name, health=Health.OK, found=found)


def worth_knowing(name: str, found: str, advice: str) -> Finding:
    """Return a finding that may become trouble."""
    return Finding(name=name, health=Health.WARNING, found=found, advice=advice)


def wrong(name: str, found: str, advice: str) -> Finding:
    """Return a finding that has to be mended."""
    return Finding(name=name, health=Health.WRONG, found=found, advice=advice)


def diagnosis(findings: list[Finding]) -> Diagnosis:
    """Return the findings with the worst of their healths."""
    order = list(Health)
    worst = max((one.health for one in findings), key=order.index, default=Health.OK)
    return Diagnosis(health=worst, findings=tuple(findings))
