"""A game in progress: everything the server has decided so far, in one aggregate."""

from datetime import datetime
from hashlib import sha256
from typing import Literal

from mystira.play.model.script import Mechanic
from mystira.polyglot.entity import Entity, Value

State = Literal["in_progress", "paused", "completed", "abandoned"]

PLAYERS_MAX = 8


class Player(Value, frozen=True, kw_only=True):
    """Somebody who plays: a profile of the account, or a guest (who has no profile)."""

    id: str
    name: str
    character_id: str | None = None
    profile_id: str | None = None
    age_group: str | None = None


class Roll(Value, frozen=True, kw_only=True):
    """One throw of the twenty-sided die."""

    value: int
    difficulty: int
    success: bool


class Echo(Value, frozen=True, kw_only=True):
    """What a choice left behind; `visit` counts the scenes entered until then, from 1."""

    echo_type: str
    text: str
    strength: int
    scene_id: str
    visit: int
    revealed_at_visit: int | None = None


class Reveal(Value, frozen=True, kw_only=True):
    """An echo that came back on entering a scene."""

    echo_type: str
    text: str
    mechanic: Mechanic
    scene_id: str
    visit: int


class CompassStep(Value, frozen=True, kw_only=True):
    """One change of the session's compass: `value` is what the axis showed afterwards, in thousandths."""

    axis: str
    delta: int
    value: int
    player_id: str
    move: int
    at: datetime


class Achievement(Value, frozen=True, kw_only=True):
    """Something worth a small celebration; each kind (and axis) once a session."""

    kind: Literal["first_choice", "echo_revealed", "axis_reached", "completed"]
    axis: str | None = None
    at: datetime


class Move(Value, frozen=True, kw_only=True):
    """One accepted move and all that followed from it: enough to answer a repeated request again.

    `choice` is a branch id, "continue" or "roll" as asked; `branch_id` is the branch taken, if any.
    """

    number: int
    key: str
    asked: str
    scene_id: str
    choice: str
    branch_id: str | None
    player_id: str
    roll: Roll | None
    next_scene_id: str | None
    visit: int
    reveals: tuple[Reveal, ...]
    compass: CompassStep | None
    achievements: tuple[Achievement, ...]
    completed: bool
    at: datetime


class GameSession(Entity, frozen=True, kw_only=True):
    """A game: pinned to one version of its scenario, with the seed of every roll to come.

    `scene_id` is the current scene, and stays the last one when the story has ended. `totals` are the unclamped
    sums of each player's deltas, by player id and axis.
    """

    account_id: str
    owner_profile_id: str
    scenario_id: str
    scenario_version: int
    title: str
    state: State
    players: tuple[Player, ...]
    owner_player_id: str
    scene_id: str
    visits: tuple[str, ...]
    seed: int
    rolls: int = 0
    moves: tuple[Move, ...] = ()
    echoes: tuple[Echo, ...] = ()
    reveals: tuple[Reveal, ...] = ()
    compass: dict[str, int] = {}
    steps: tuple[CompassStep, ...] = ()
    totals: dict[str, dict[str, int]] = {}
    achievements: tuple[Achievement, ...] = ()
    started_at: datetime
    last_move_at: datetime
    ended_at: datetime | None = None
    paused_at: datetime | None = None
    paused_s: int = 0

    @property
    def is_over(self) -> bool:
        """Whether no move can follow."""
        return self.state in ("completed", "abandoned")

    def player(self, player_id: str) -> Player | None:
        """Return the player with this id, if one plays here."""
        return next((player for player in self.players if player.id == player_id), None)


class PlayClaim(Entity, frozen=True, kw_only=True):
    """Reserves the one unfinished session of an account, its owner profile and a scenario.

    One under a program's own key says for ever which session that key has led to; `asked` is what it asked for.
    """

    account_id: str
    owner_profile_id: str
    scenario_id: str
    session_id: str
    asked: str = ""


def claim_id(account_id: str, owner_profile_id: str, scenario_id: str) -> str:
    """Return the id under which everybody who starts the same game meets."""
    return "|".join((account_id, owner_profile_id, scenario_id))


def keyed_claim_id(account_id: str, key: str) -> str:
    """Return the id under which everybody who asks with the same key meets."""
    return "|".join((account_id, "key", sha256(key.encode()).hexdigest()))


def keyed_session_id(account_id: str, key: str, asked: str) -> str:
    """Return the id of the game that a request with this key begins: the same, however often it is sent."""
    return sha256("\0".join((account_id, key, asked)).encode()).hexdigest()[:32]
