"""What can be seen of games: by their players, by the family's pages, and by other rooms."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from mystira.accounts import views as accounts
from mystira.content import views as content
from mystira.play.model.moves import AXIS_REACHED, choices_of, elapsed_s, named, who_moves
from mystira.play.model.results import BadgeGoal, PlayerScenarioScore, UserBadge
from mystira.play.model.script import Media, Scene, Script, moves_left
from mystira.play.model.session import Achievement, Echo, GameSession, Move, Player, Reveal, Roll
from mystira.play.problems import SessionNotFound, StoryNotFound
from mystira.polyglot.entity import Value
from mystira.polyglot.memos import Memo
from mystira.polyglot.query import Order, Scalar, all_of, at_most, equal, one_of
from mystira.polyglot.work import Found, Work

SCRIPTS_MAX = 256

UNFINISHED = ("in_progress", "paused")


class ChoiceShown(Value, frozen=True, kw_only=True):
    """One thing a player can do: `id` is what a move names."""

    id: str
    text: str


class SceneShown(Value, frozen=True, kw_only=True):
    """A scene with the players' names filled in and nothing of what its choices will do.

    `media` and `sound_effects` are ids; `music` is a mood or the id of a piece, the story's where the scene has none.
    """

    id: str
    title: str
    type: str
    text: str
    choices: tuple[ChoiceShown, ...]
    difficulty: int | None
    active_character: str | None
    player_id: str
    media: Media
    music: str | None
    sound_effects: tuple[str, ...]


class Standing(Value, frozen=True, kw_only=True):
    """Where a game stands: what a player's screen shows. Compass values are thousandths."""

    session_id: str
    scenario_id: str
    title: str
    state: str
    scene: SceneShown
    moves: int
    compass: dict[str, int]
    reveals: tuple[Reveal, ...]
    echoes: int
    achievements: tuple[Achievement, ...]
    players: tuple[Player, ...]
    elapsed_s: int


class Outcome(Value, frozen=True, kw_only=True):
    """What one accepted move brought. Asking again with the same key brings the very same."""

    session_id: str
    number: int
    scene_id: str
    choice: str
    branch_id: str | None
    player_id: str
    roll: Roll | None
    next_scene: SceneShown | None
    reveals: tuple[Reveal, ...]
    compass_axis: str | None
    compass_delta: int
    compass_value: int
    achievements: tuple[Achievement, ...]
    completed: bool


class PlayerShown(Value, frozen=True, kw_only=True):
    """A player as the pages draw one: a guest has no avatar, and not everybody is a character."""

    id: str
    name: str
    avatar: str | None
    character: str | None
    portrait: str | None
    is_guest: bool
    age_group: str | None


class GameCard(Value, frozen=True, kw_only=True):
    """A game that can be continued."""

    id: str
    scenario_id: str
    title: str
    image: str | None
    players: tuple[PlayerShown, ...]
    moves: int


class Statistics(Value, frozen=True, kw_only=True):
    """A game in numbers; pauses do not count as played."""

    moves: int
    minutes: int
    throws: int
    lucky_throws: int
    echoes: int
    echoes_back: int


class Earned(Value, frozen=True, kw_only=True):
    """What a finished game brought one player: unclamped compass sums in thousandths, and new badges."""

    player: PlayerShown
    compass: dict[str, int]
    badges: tuple[UserBadge, ...]


async def session(work: Work, account_id: str, session_id: str) -> GameSession:
    """Return a game of this account; another family's does not exist."""
    found = await work.get(GameSession, session_id, account_id)
    if found is None:
        raise SessionNotFound
    return found


async def script(work: Work, scenario_id: str, version: int) -> Script:
    """Return what a game pinned to this version is played by."""
    # A published version never changes, so what was made of it once need not be read again.
    known: Memo[tuple[str, int], Script] = work.memos.named("play.scripts", SCRIPTS_MAX, of="ScenarioVersions")
    played = known.get((scenario_id, version))
    if played is None:
        found = await content.published_version(work, scenario_id, version)
        if found is None:
            raise StoryNotFound
        played = known.put((scenario_id, version), msgspec.convert(found, Script, from_attributes=True))
    return played


async def latest_script(work: Work, scenario_id: str) -> Script:
    """Return what a game started now is played by."""
    number = await content.latest_number(work, scenario_id)
    if number is None:
        raise StoryNotFound
    return await script(work, scenario_id, number)


async def unfinished(work: Work, account_id: str) -> tuple[GameSession, ...]:
    """Return the games that the family can continue, the latest first."""
    where = all_of(equal("account_id", account_id), one_of("state", UNFINISHED))
    return (await work.find(GameSession, where, Order("last_move_at", descending=True), limit=12)).items


async def games_of(work: Work, scenario_id: str) -> int:
    """Return how many games of a story there are, finished ones as well: each of them shows what it tells."""
    return await work.count(GameSession, equal("scenario_id", scenario_id))


async def idle(work: Work, since: datetime, after: tuple[Scalar, ...] | None = None) -> Found[GameSession]:
    """Return one page of the unfinished games that nobody moved in since then."""
    where = all_of(one_of("state", UNFINISHED), at_most("last_move_at", since))
    return await work.find(GameSession, where, Order("last_move_at"), after=after)


async def continuable(work: Work, account_id: str, scenario_id: str | None = None) -> tuple[GameCard, ...]:
    """Return the games that the family can continue as its pages show them, of one story or of all."""
    games = await unfinished(work, account_id)
    avatars = await avatars_of(work, account_id)
    cards: list[GameCard] = []
    for game in games:
        if scenario_id in (None, game.scenario_id):
            story = await content.story(work, game.scenario_id)
            cards.append(
                GameCard(
                    id=game.id,
                    scenario_id=game.scenario_id,
                    title=game.title,
                    image=story.image if story else None,
                    players=players_shown(game, None, avatars),
                    moves=len(game.moves),
                )
            )
    return tuple(cards)


async def avatars_of(work: Work, account_id: str) -> dict[str, str]:
    """Return the picture of every player of the family, by profile id."""
    return {profile.id: profile.avatar for profile in await accounts.profiles(work, account_id)}


def players_shown(session: GameSession, script: Script | None, avatars: Mapping[str, str]) -> tuple[PlayerShown, ...]:
    """Return who plays, with the characters they are where the script is given."""
    characters = {character.id: character for character in script.characters} if script else {}
    shown: list[PlayerShown] = []
    for player in session.players:
        character = characters.get(player.character_id or "")
        shown.append(
            PlayerShown(
                id=player.id,
                name=player.name,
                avatar=avatars.get(player.profile_id or ""),
                character=character.name if character else None,
                portrait=character.image if character else None,
                is_guest=player.profile_id is None,
                age_group=player.age_group,
            )
        )
    return tuple(shown)


def progress(session: GameSession, script: Script) -> int:
    """Return how much of the story lies behind the players, in percent, if they take the shortest way on."""
    done = len(session.moves)
    left = 0 if session.is_over else moves_left(script, session.scene_id)
    return round(100 * done / (done + left)) if done + left else 0


def echo_left(session: GameSession) -> Echo | None:
    """Return the echo that the last move left behind, if it left one."""
    if not session.moves or not session.echoes:
        return None
    last, echo = session.moves[-1], session.echoes[-1]
    visit = last.visit if last.next_scene_id is None else last.visit - 1
    return echo if last.branch_id is not None and (echo.scene_id, echo.visit) == (last.scene_id, visit) else None


async def earnings(work: Work, session: GameSession, script: Script) -> tuple[Earned, ...]:
    """Return what a finished game brought each of its players."""
    avatars = await avatars_of(work, session.account_id)
    found: list[Earned] = []
    for player, shown in zip(session.players, players_shown(session, script, avatars), strict=True):
        new: tuple[UserBadge, ...] = ()
        if player.profile_id is not None:
            new = tuple(one for one in await badges(work, player.profile_id) if one.session_id == session.id)
        compass = session.totals.get(player.id, {})
        found.append(Earned(player=shown, compass=compass, badges=new))
    return tuple(found)


def statistics(session: GameSession, work: Work) -> Statistics:
    """Return a game in numbers."""
    throws = [move.roll for move in session.moves if move.roll is not None]
    return Statistics(
        moves=len(session.moves),
        minutes=round(elapsed_s(session, work.now) / 60),
        throws=len(throws),
        lucky_throws=sum(throw.success for throw in throws),
        echoes=len(session.echoes),
        echoes_back=sum(echo.revealed_at_visit is not None for echo in session.echoes),
    )


async def achieved_names(work: Work, session: GameSession) -> dict[str, str]:
    """Return what it is called that a game took an axis all the way, by axis, in the words for its owner's age."""
    owner = session.player(session.owner_player_id)
    reached: dict[str, str] = {}
    for step in session.steps:
        if abs(step.value) >= AXIS_REACHED:
            reached.setdefault(step.axis, "positive" if step.value > 0 else "negative")
    if not reached or owner is None or owner.age_group is None:
        return {}
    called = await content.axis_achievements(work, owner.age_group)
    return {one.axis: one.name for one in called if reached.get(one.axis) == one.direction}


async def badges(work: Work, profile_id: str) -> tuple[UserBadge, ...]:
    """Return what a profile has earned, in the order of earning."""
    return (await work.find(UserBadge, equal("profile_id", profile_id), Order("earned_at"), limit=500)).items


async def badge_goals(work: Work, age_group: str) -> tuple[BadgeGoal, ...]:
    """Return the badges that players of this age group can earn."""
    return tuple(
        BadgeGoal(
            id=goal.id,
            age_group=goal.age_group,
            axis=goal.axis,
            tier=goal.tier,
            name=goal.name,
            threshold=goal.threshold,
        )
        for goal in await content.badge_goals(work, age_group)
    )


async def scores(work: Work, profile_id: str) -> tuple[PlayerScenarioScore, ...]:
    """Return every score of a profile."""
    return (await work.find(PlayerScenarioScore, equal("profile_id", profile_id), limit=1_000)).items


def standing(session: GameSession, script: Script, work: Work) -> Standing:
    """Return what the players' screens show now."""
    last = session.moves[-1] if session.moves else None
    return Standing(
        session_id=session.id,
        scenario_id=session.scenario_id,
        title=session.title,
        state=session.state,
        scene=scene_shown(session, script, script.scene(session.scene_id)),
        moves=len(session.moves),
        compass=session.compass,
        reveals=_revealed(session, script, last.reveals) if last else (),
        echoes=len(session.echoes),
        achievements=session.achievements,
        players=session.players,
        elapsed_s=elapsed_s(session, work.now),
    )


def outcome(session: GameSession, script: Script, move: Move) -> Outcome:
    """Return what a move brought, from its record alone, so that a repeated request gets the first answer."""
    following = script.scene(move.next_scene_id) if move.next_scene_id is not None else None
    return Outcome(
        session_id=session.id,
        number=move.number,
        scene_id=move.scene_id,
        choice=move.choice,
        branch_id=move.branch_id,
        player_id=move.player_id,
        roll=move.roll,
        next_scene=scene_shown(session, script, following) if following is not None else None,
        reveals=_revealed(session, script, move.reveals),
        compass_axis=move.compass.axis if move.compass else None,
        compass_delta=move.compass.delta if move.compass else 0,
        compass_value=move.compass.value if move.compass else 0,
        achievements=move.achievements,
        completed=move.completed,
    )


def scene_shown(session: GameSession, script: Script, scene: Scene) -> SceneShown:
    """Return a scene as its players see it, placeholders replaced by their names."""
    texts = {branch.id: branch.choice for branch in scene.branches}
    return SceneShown(
        id=scene.id,
        title=named(session, script, scene.title),
        type=scene.type,
        text=named(session, script, scene.description),
        choices=tuple(
            ChoiceShown(id=choice, text=named(session, script, texts.get(choice, ""))) for choice in choices_of(scene)
        ),
        difficulty=scene.difficulty,
        active_character=scene.active_character,
        player_id=who_moves(session, scene, None),
        media=scene.media,
        music=scene.music or script.music_palette,
        sound_effects=scene.sound_effects,
    )


def _revealed(session: GameSession, script: Script, reveals: tuple[Reveal, ...]) -> tuple[Reveal, ...]:
    return tuple(msgspec.structs.replace(one, text=named(session, script, one.text)) for one in reveals)
