"""Making moves: from a session and what a player asks to the next session, with nothing left to chance but the seed."""

import hashlib
import re
from datetime import datetime, timedelta

from mystira.play.events import SessionAbandoned, SessionCompleted, SessionStarted
from mystira.play.model.reveals import reveal_echoes
from mystira.play.model.script import Branch, Scene, Script, is_ending
from mystira.play.model.session import Achievement, CompassStep, Echo, GameSession, Move, Player, Reveal, Roll
from mystira.play.problems import ChoiceUnknown, KeyReused, PlayerUnknown, SceneMovedOn, SessionOver, SessionPaused
from mystira.polyglot.entity import Event, Value

DIE_SIDES = 20
COMPASS_LIMIT = 2_000
AXIS_REACHED = 1_000
KEY_MAX = 200
IDLE_UNTIL_ABANDONED = timedelta(days=30)

_PLACEHOLDER = re.compile(r"\[c:([^\]]{1,200})\]")


class Asked(Value, frozen=True, kw_only=True):
    """A move as a player asks for it: the scene they saw, and a branch id, "continue" or "roll"."""

    scene_id: str
    choice: str
    key: str
    player_id: str | None = None

    @property
    def body(self) -> str:
        """What must be the same when the key is used again."""
        return "\n".join((self.scene_id, self.choice, self.player_id or ""))


def start(
    script: Script,
    *,
    session_id: str,
    account_id: str,
    owner_profile_id: str,
    players: tuple[Player, ...],
    seed: int,
    now: datetime,
) -> tuple[GameSession, SessionStarted]:
    """Begin a game at the script's first scene; the owner is the first player of the owner's profile."""
    owner = next((player.id for player in players if player.profile_id == owner_profile_id), players[0].id)
    session = GameSession(
        id=session_id,
        account_id=account_id,
        owner_profile_id=owner_profile_id,
        scenario_id=script.scenario_id,
        scenario_version=script.version,
        title=script.title,
        state="in_progress",
        players=players,
        owner_player_id=owner,
        scene_id=script.start,
        visits=(script.start,),
        seed=seed,
        started_at=now,
        last_move_at=now,
    )
    return session, SessionStarted(session_id=session_id, scenario_id=script.scenario_id, account_id=account_id)


def repeated(session: GameSession, asked: Asked) -> Move | None:
    """Return the move that this key made before, if it did; refuse the key for another move."""
    for move in reversed(session.moves):
        if move.key == asked.key:
            if move.asked != asked.body:
                raise KeyReused
            return move
    return None


def move(
    session: GameSession, script: Script, asked: Asked, now: datetime
) -> tuple[GameSession, Move, tuple[Event, ...]]:
    """Apply one move; return the session after it, the move with all that followed, and the facts to tell."""
    _refuse_unless_current(session, asked)
    if asked.player_id is not None and session.player(asked.player_id) is None:
        raise PlayerUnknown(possible=", ".join(player.id for player in session.players))
    scene = script.scene(session.scene_id)
    roll = throw(session.seed, session.rolls, scene.difficulty or 1) if asked.choice == "roll" else None
    branch = branch_of(scene, asked.choice, roll)
    player_id = who_moves(session, scene, asked.player_id)
    next_scene_id = branch.next_scene if branch else scene.next_scene
    number = len(session.moves) + 1
    after = session.evolve(rolls=session.rolls + (roll is not None), last_move_at=now)
    after = _leave_echo(after, scene, branch)
    after, step = _turn_compass(after, branch, player_id, number, now)
    after, reveals = _enter(after, script, next_scene_id)
    completed = next_scene_id is None or is_ending(script.scene(next_scene_id))
    chose = scene.type == "choice"
    achievements = _achieve(after, chose=chose, revealed=bool(reveals), completed=completed, now=now)
    made = Move(
        number=number,
        key=asked.key,
        asked=asked.body,
        scene_id=scene.id,
        choice=asked.choice,
        branch_id=branch.id if branch else None,
        player_id=player_id,
        roll=roll,
        next_scene_id=next_scene_id,
        visit=len(after.visits),
        reveals=reveals,
        compass=step,
        achievements=achievements,
        completed=completed,
        at=now,
    )
    after = after.evolve(moves=(*after.moves, made), achievements=(*after.achievements, *achievements))
    if not completed:
        return after, made, ()
    after = after.evolve(state="completed", ended_at=now)
    return after, made, (completion(after),)


def completion(session: GameSession) -> SessionCompleted:
    """Return the fact that this session reached its ending."""
    return SessionCompleted(
        session_id=session.id,
        scenario_id=session.scenario_id,
        account_id=session.account_id,
        score=sum(abs(value) for value in session.compass.values()),
        duration_s=elapsed_s(session, session.last_move_at),
    )


def elapsed_s(session: GameSession, now: datetime) -> int:
    """Return the seconds played so far, pauses left out."""
    until = session.ended_at or session.paused_at or now
    return max(0, int((until - session.started_at).total_seconds()) - session.paused_s)


def pause(session: GameSession, now: datetime) -> GameSession:
    """Stop the clock. Pausing twice is pausing once."""
    if session.is_over:
        raise SessionOver
    return session if session.state == "paused" else session.evolve(state="paused", paused_at=now)


def resume(session: GameSession, now: datetime) -> GameSession:
    """Let the clock run again. Resuming what runs changes nothing."""
    if session.is_over:
        raise SessionOver
    if session.paused_at is None:
        return session
    paused_s = session.paused_s + int((now - session.paused_at).total_seconds())
    return session.evolve(state="in_progress", paused_at=None, paused_s=paused_s)


def abandon(session: GameSession, now: datetime) -> tuple[GameSession, tuple[Event, ...]]:
    """Give the game up. What has ended stays as it ended."""
    if session.is_over:
        return session, ()
    told = SessionAbandoned(session_id=session.id, scenario_id=session.scenario_id, account_id=session.account_id)
    # A game given up while it was paused was not played during that pause.
    return resume(session, now).evolve(state="abandoned", ended_at=now), (told,)


def abandon_if_idle(session: GameSession, now: datetime) -> tuple[GameSession, tuple[Event, ...]]:
    """Give up a game that nobody touched for thirty days; a pause counts as a touch."""
    touched = max(session.last_move_at, session.paused_at or session.last_move_at)
    return abandon(session, now) if now - touched >= IDLE_UNTIL_ABANDONED else (session, ())


def throw(seed: int, already: int, difficulty: int) -> Roll:
    """Throw the die for the given time: the same seed and count always show the same face."""
    digest = hashlib.sha256(f"{seed}:{already}".encode()).digest()
    value = int.from_bytes(digest[:8]) % DIE_SIDES + 1
    return Roll(value=value, difficulty=difficulty, success=value >= difficulty)


def branch_of(scene: Scene, choice: str, roll: Roll | None) -> Branch | None:
    """Return the branch that this choice takes, None on a narrative scene; refuse what the scene does not offer."""
    if scene.type == "narrative" and choice == "continue":
        return None
    if scene.type == "roll" and roll is not None:
        return scene.branches[0 if roll.success else 1]
    if scene.type == "choice":
        for branch in scene.branches:
            if branch.id == choice:
                return branch
    raise ChoiceUnknown(choice=choice, possible=", ".join(choices_of(scene)))


def choices_of(scene: Scene) -> tuple[str, ...]:
    """Return what a player may answer to this scene."""
    match scene.type:
        case "narrative":
            return ("continue",)
        case "roll":
            return ("roll",)
        case "choice":
            return tuple(branch.id for branch in scene.branches)
        case "special":
            return ()


def who_moves(session: GameSession, scene: Scene, named: str | None) -> str:
    """Return the player whose move this is: the active character's, else the named one, else the owner."""
    if scene.active_character is not None:
        for player in session.players:
            if player.character_id == scene.active_character:
                return player.id
    return session.owner_player_id if named is None else named


def named(session: GameSession, script: Script, text: str) -> str:
    """Return the text with `[c:id]`, `[c:Name]` and `[c:*]` replaced by the names of the players.

    A character nobody plays keeps its own name; `[c:*]` names everybody who plays.
    """
    if "[c:" not in text:
        return text
    everybody = _listed([player.name for player in session.players])
    played = {player.character_id: player.name for player in session.players if player.character_id}
    names = {"*": everybody}
    for character in script.characters:
        name = played.get(character.id, character.name)
        names[character.id] = names[character.name] = name
    return _PLACEHOLDER.sub(lambda found: names.get(found[1].strip(), found[1].strip()), text)


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _refuse_unless_current(session: GameSession, asked: Asked) -> None:
    if session.is_over:
        raise SessionOver(state=session.state, scene_id=session.scene_id)
    if session.state == "paused":
        raise SessionPaused
    if asked.scene_id != session.scene_id:
        raise SceneMovedOn(scene_id=session.scene_id)


def _leave_echo(session: GameSession, scene: Scene, branch: Branch | None) -> GameSession:
    if branch is None or branch.echo_log is None:
        return session
    log = branch.echo_log
    echo = Echo(
        echo_type=log.echo_type,
        text=log.description,
        strength=log.strength,
        scene_id=scene.id,
        visit=len(session.visits),
    )
    return session.evolve(echoes=(*session.echoes, echo))


def _turn_compass(
    session: GameSession, branch: Branch | None, player_id: str, number: int, now: datetime
) -> tuple[GameSession, CompassStep | None]:
    if branch is None or branch.compass_change is None:
        return session, None
    axis, delta = branch.compass_change.axis, branch.compass_change.delta
    value = max(-COMPASS_LIMIT, min(COMPASS_LIMIT, session.compass.get(axis, 0) + delta))
    step = CompassStep(axis=axis, delta=delta, value=value, player_id=player_id, move=number, at=now)
    mine = session.totals.get(player_id, {})
    totals = {**session.totals, player_id: {**mine, axis: mine.get(axis, 0) + delta}}
    after = session.evolve(compass={**session.compass, axis: value}, steps=(*session.steps, step), totals=totals)
    return after, step


def _enter(session: GameSession, script: Script, scene_id: str | None) -> tuple[GameSession, tuple[Reveal, ...]]:
    if scene_id is None:
        return session, ()
    after = session.evolve(scene_id=scene_id, visits=(*session.visits, scene_id))
    return reveal_echoes(after, script.scene(scene_id))


def _achieve(
    session: GameSession, *, chose: bool, revealed: bool, completed: bool, now: datetime
) -> tuple[Achievement, ...]:
    had = {(achievement.kind, achievement.axis) for achievement in session.achievements}
    earned: list[Achievement] = []
    if chose:
        earned.append(Achievement(kind="first_choice", at=now))
    if revealed:
        earned.append(Achievement(kind="echo_revealed", at=now))
    for axis, value in session.compass.items():
        if abs(value) >= AXIS_REACHED:
            earned.append(Achievement(kind="axis_reached", axis=axis, at=now))
    if completed:
        earned.append(Achievement(kind="completed", at=now))
    return tuple(achievement for achievement in earned if (achievement.kind, achievement.axis) not in had)
