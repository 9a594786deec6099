"""What players do; each function is one unit of work."""

from collections.abc import Mapping

from mystira.accounts import views as accounts
from mystira.content import views as content
from mystira.content.purchases import views as purchases
from mystira.play.model import moves
from mystira.play.model.moves import Asked
from mystira.play.model.results import (
    BadgeGoal,
    CompassTracking,
    PlayerScenarioScore,
    UserBadge,
    award,
    earned,
    lifetime,
    score,
    score_id,
    tracked,
)
from mystira.play.model.session import (
    PLAYERS_MAX,
    GameSession,
    Move,
    PlayClaim,
    Player,
    claim_id,
    keyed_claim_id,
    keyed_session_id,
)
from mystira.play.problems import (
    ConsentMissing,
    KeyReused,
    PlayersInvalid,
    ProfileNotFound,
    PurchaseNeeded,
    SessionNotFound,
    TooYoung,
)
from mystira.play.views import badge_goals, badges, latest_script, scores, script, session
from mystira.polyglot.entity import Value
from mystira.polyglot.work import Work, Works


class Seat(Value, frozen=True, kw_only=True):
    """One player as asked for: a profile of the family, or a guest with a name of their own."""

    profile_id: str | None = None
    name: str | None = None
    character_id: str | None = None
    age_group: str | None = None


class Keyed(Value, frozen=True, kw_only=True):
    """A program's own key, and a hash of what it asked for with it."""

    key: str
    asked: str


async def reserve_session(
    work: Work, *, account_id: str, owner_profile_id: str, scenario_id: str, fresh_id: str | None = None
) -> str:
    """Return the id of the one unfinished game of this owner and scenario, reserving a new one if there is none."""
    at = claim_id(account_id, owner_profile_id, scenario_id)
    claim = await work.get(PlayClaim, at)
    if claim is not None:
        running = await work.get(GameSession, claim.session_id, account_id)
        if running is None or not running.is_over:
            return claim.session_id
    claim = PlayClaim(
        id=at,
        account_id=account_id,
        owner_profile_id=owner_profile_id,
        scenario_id=scenario_id,
        session_id=fresh_id or work.new_id(),
    )
    work.save(claim)
    return claim.session_id


async def keep_key(
    work: Work, *, account_id: str, owner_profile_id: str, scenario_id: str, session_id: str, keyed: Keyed
) -> str:
    """Note which game a key leads to, and return the one that it led to first."""
    known = await game_under(work, account_id, keyed)
    if known is not None:
        return known
    work.save(
        PlayClaim(
            id=keyed_claim_id(account_id, keyed.key),
            account_id=account_id,
            owner_profile_id=owner_profile_id,
            scenario_id=scenario_id,
            session_id=session_id,
            asked=keyed.asked,
        )
    )
    return session_id


async def game_under(work: Work, account_id: str, keyed: Keyed) -> str | None:
    """Return the game that a key led to, None for a new key; KeyReused when it asked for something else then."""
    claim = await work.get(PlayClaim, keyed_claim_id(account_id, keyed.key))
    if claim is not None and claim.asked != keyed.asked:
        raise KeyReused
    return None if claim is None else claim.session_id


async def begin_session(
    work: Work,
    *,
    session_id: str,
    account_id: str,
    owner_profile_id: str,
    scenario_id: str,
    seats: tuple[Seat, ...],
    parent_allows: bool = False,
) -> GameSession:
    """Start the reserved game, or return it as it stands if it was started before."""
    running = await work.get(GameSession, session_id, account_id)
    if running is not None:
        return running
    played = await latest_script(work, scenario_id)
    players = await _seated(work, account_id, seats, {character.id for character in played.characters})
    await _check_ages(work, players, played.minimum_age, parent_allows)
    await _check_bought(work, account_id, scenario_id, played.title)
    started, told = moves.start(
        played,
        session_id=session_id,
        account_id=account_id,
        owner_profile_id=owner_profile_id,
        players=players,
        seed=work.new_seed(),
        now=work.now,
    )
    work.save(started, told)
    return started


async def check_players(
    work: Work,
    *,
    account_id: str,
    owner_profile_id: str,
    scenario_id: str,
    seats: tuple[Seat, ...],
    restart: bool,
    parent_allows: bool,
) -> None:
    """Refuse, before anything is reserved, a game that these players may not start.

    One that is unfinished goes on whatever became of a purchase since; only a new one asks for it.
    """
    if await accounts.profile(work, account_id, owner_profile_id) is None:
        raise ProfileNotFound
    played = await latest_script(work, scenario_id)
    players = await _seated(work, account_id, seats, {character.id for character in played.characters})
    await _check_ages(work, players, played.minimum_age, parent_allows)
    if restart or not await _is_unfinished(work, account_id, claim_id(account_id, owner_profile_id, scenario_id)):
        await _check_bought(work, account_id, scenario_id, played.title)


async def start_game(
    works: Works,
    *,
    account_id: str,
    owner_profile_id: str,
    scenario_id: str,
    seats: tuple[Seat, ...],
    restart: bool = False,
    parent_allows: bool = False,
    keyed: Keyed | None = None,
) -> GameSession:
    """Start a game, or return the unfinished one of the same owner and scenario.

    Each step is a unit of work of its own; whoever starts the same game again completes what was left undone. A
    program that names a key gets the game of that key for ever, even when it is over.
    """
    who = {"account_id": account_id, "owner_profile_id": owner_profile_id, "scenario_id": scenario_id}
    session_id = None if keyed is None else await game_under(works.open(), account_id, keyed)
    if session_id is None:
        await check_players(works.open(), **who, seats=seats, restart=restart, parent_allows=parent_allows)
        session_id = await _reserved(works, who, restart, keyed)
    return await works.run(begin_session, session_id=session_id, **who, seats=seats, parent_allows=parent_allows)


async def _reserved(works: Works, who: Mapping[str, str], restart: bool, keyed: Keyed | None) -> str:
    """Return the id of the game to begin or to go on with; one that is to be started over is given up first."""
    account_id = who["account_id"]
    fresh_id = None if keyed is None else keyed_session_id(account_id, keyed.key, keyed.asked)
    session_id = await works.run(reserve_session, **who, fresh_id=fresh_id)
    # What the same request has begun before, sent twice at once perhaps, is not started over by it.
    if restart and session_id != fresh_id and await works.open().get(GameSession, session_id, account_id) is not None:
        await works.run(abandon_session, account_id=account_id, session_id=session_id)
        session_id = await works.run(reserve_session, **who, fresh_id=fresh_id)
    return session_id if keyed is None else await works.run(keep_key, **who, session_id=session_id, keyed=keyed)


async def make_move(
    work: Work, *, account_id: str, session_id: str, asked: Asked, wakes: bool = False
) -> tuple[GameSession, Move]:
    """Make a move, or return the one that the same key made before. A move that `wakes` ends a pause as well."""
    current = await session(work, account_id, session_id)
    before = moves.repeated(current, asked)
    if before is not None:
        return current, before
    if wakes:
        current = moves.resume(current, work.now)
    played = await script(work, current.scenario_id, current.scenario_version)
    after, made, told = moves.move(current, played, asked, work.now)
    work.save(after, *told)
    return after, made


async def pause_session(work: Work, *, account_id: str, session_id: str) -> GameSession:
    """Stop the clock of a game."""
    current = await session(work, account_id, session_id)
    after = moves.pause(current, work.now)
    if after != current:
        work.save(after)
    return after


async def resume_session(work: Work, *, account_id: str, session_id: str) -> GameSession:
    """Let the clock of a game run again."""
    current = await session(work, account_id, session_id)
    after = moves.resume(current, work.now)
    if after != current:
        work.save(after)
    return after


async def abandon_session(work: Work, *, account_id: str, session_id: str) -> GameSession:
    """Give a game up."""
    current = await session(work, account_id, session_id)
    after, told = moves.abandon(current, work.now)
    if told:
        work.save(after, *told)
    return after


async def abandon_idle_session(work: Work, *, account_id: str, session_id: str) -> bool:
    """Give a game up if it is still idle; tell whether it was."""
    current = await session(work, account_id, session_id)
    after, told = moves.abandon_if_idle(current, work.now)
    if told:
        work.save(after, *told)
    return bool(told)


async def record_score(work: Work, *, account_id: str, session_id: str, player_id: str) -> PlayerScenarioScore | None:
    """Give a player's profile its one score for this scenario; a replay earns none."""
    played = await work.get(GameSession, session_id, account_id)
    player = played.player(player_id) if played else None
    if played is None or player is None or player.profile_id is None:
        raise SessionNotFound
    earned_now = score(played, player, work.now)
    if await work.get(PlayerScenarioScore, earned_now.id, player.profile_id) is not None:
        return None
    work.save(earned_now)
    return earned_now


async def reached_badges(work: Work, *, profile_id: str, age_group: str) -> tuple[BadgeGoal, ...]:
    """Return the badges that a profile has reached and not yet received."""
    sums = lifetime(await scores(work, profile_id))
    had = {badge.badge_id for badge in await badges(work, profile_id)}
    goals = await badge_goals(work, age_group)
    return tuple(goal for goal in earned(goals, age_group, sums) if goal.id not in had)


async def is_counted(work: Work, finished: GameSession) -> bool:
    """Tell whether every player of a finished game has its score and the badges that it reached."""
    for player in finished.players:
        if player.profile_id is None:
            continue
        at = score_id(player.profile_id, finished.scenario_id)
        if await work.get(PlayerScenarioScore, at, player.profile_id) is None:
            return False
        if await reached_badges(work, profile_id=player.profile_id, age_group=player.age_group or ""):
            return False
    return True


async def give_badge(work: Work, *, profile_id: str, goal: BadgeGoal, session_id: str) -> None:
    """Give a profile a badge it does not have yet."""
    badge, told = award(profile_id, goal, session_id, work.now)
    if await work.get(UserBadge, badge.id, profile_id) is None:
        work.save(badge, told)


async def track_step(work: Work, *, account_id: str, session_id: str, at: int) -> None:
    """Keep one compass change of a finished game for analytics."""
    played = await work.get(GameSession, session_id, account_id)
    if played is None:
        raise SessionNotFound
    line = tracked(played, played.steps[at])
    if await work.get(CompassTracking, line.id, line.axis) is None:
        work.save(line)


async def _seated(work: Work, account_id: str, seats: tuple[Seat, ...], characters: set[str]) -> tuple[Player, ...]:
    if not 1 <= len(seats) <= PLAYERS_MAX:
        raise PlayersInvalid(reason=f"Choose 1 to {PLAYERS_MAX} players.")
    taken = [seat.character_id for seat in seats if seat.character_id]
    if len(set(taken)) < len(taken):
        raise PlayersInvalid(reason="Two players cannot be the same character. Give one of them another.")
    if not set(taken) <= characters:
        raise PlayersInvalid(reason="This story has no such character. Choose one of its own.")
    profiles = [seat.profile_id for seat in seats if seat.profile_id]
    if len(set(profiles)) < len(profiles):
        raise PlayersInvalid(reason="Everybody can sit down once only.")
    return tuple([await _player(work, account_id, number, seat) for number, seat in enumerate(seats, start=1)])


async def _player(work: Work, account_id: str, number: int, seat: Seat) -> Player:
    if seat.profile_id is None:
        name = " ".join((seat.name or "").split())[:40]
        if not name:
            raise PlayersInvalid(reason="A guest needs a name.")
        return Player(id=f"p{number}", name=name, character_id=seat.character_id, age_group=seat.age_group)
    profile = await accounts.profile(work, account_id, seat.profile_id)
    if profile is None:
        raise ProfileNotFound
    if not profile.may_play:
        raise ConsentMissing(name=profile.name, profile_id=profile.id)
    return Player(
        id=f"p{number}",
        name=profile.name,
        character_id=seat.character_id,
        profile_id=profile.id,
        age_group=profile.age_group,
    )


async def _is_unfinished(work: Work, account_id: str, at: str) -> bool:
    claim = await work.get(PlayClaim, at)
    running = None if claim is None else await work.get(GameSession, claim.session_id, account_id)
    return running is not None and not running.is_over


async def _check_bought(work: Work, account_id: str, scenario_id: str, title: str) -> None:
    asked = await purchases.story_claim(work, account_id, scenario_id)
    if not asked.is_open:
        raise PurchaseNeeded(title=title, bundle_ids=[bundle.id for bundle in asked.bundles])


async def _check_ages(work: Work, players: tuple[Player, ...], minimum_age: int, parent_allows: bool) -> None:
    ages = {group.id: group for group in await content.age_groups(work)}
    for player in players:
        group = ages.get(player.age_group or "")
        if group is None and player.profile_id is None and player.age_group is not None:
            # An age that nobody knows would pass every minimum.
            raise PlayersInvalid(reason=f"{player.name}'s age group must be one of: {', '.join(ages)}.")
        if group is not None and group.maximum_age < minimum_age and not parent_allows:
            raise TooYoung(minimum_age=minimum_age, name=player.name)
