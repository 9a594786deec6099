"""The page on which a family chooses who plays and as whom; every button of it works without JavaScript."""

from itertools import islice
from typing import Any, Literal, NamedTuple, cast

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.accounts import views as accounts
from mystira.content import views as content
from mystira.play import actions
from mystira.play.actions import Seat
from mystira.play.model.session import PLAYERS_MAX
from mystira.play.problems import ConsentMissing, PlayersInvalid, PurchaseNeeded, StoryNotFound, TooYoung
from mystira.play.views import continuable
from mystira.polyglot.problem import Problem
from mystira.polyglot.work import Work, Works
from mystira.web.access import allow, family
from mystira.web.answers import STATUS
from mystira.web.bodies import Body, read_form
from mystira.web.pages import page

OWN_GAME = allow("family", touches="game session", page=True)
GUESTS = tuple(f"guest-{number}" for number in range(1, PLAYERS_MAX + 1))
GUESTS_AT_FIRST = 2
FULL = f"The table is full: up to {PLAYERS_MAX} can play together."
NO_CHARACTER_FREE = "Everybody in this story is somebody already, so there is nobody left for a guest to be."


class SeatsForm(Body, frozen=True, kw_only=True):
    """Who plays: profile ids, the owner of the game first, guests by seat, and who is which character."""

    players: tuple[str, ...] = ()
    guest: dict[str, str] = {}
    guest_age: dict[str, str] = {}
    character: dict[str, str] = {}
    restart: bool = False
    parent_allows: bool = False


class MoreSeatsForm(SeatsForm, frozen=True, kw_only=True):
    """The seats so far, and what is wanted: one more guest, or a guest for every character that is free."""

    more: Literal["guest", "fill"]


class Place(NamedTuple):
    """One who may sit down; `character_id` "" is nobody of the story. A guest's id is that of its seat."""

    id: str
    name: str
    avatar: str | None
    may_play: bool
    is_playing: bool
    character_id: str
    age_group: str = ""


class Table(NamedTuple):
    """Everybody who is or might be at the table, and what is said to them."""

    places: list[Place]
    guests: list[Place]
    notice: str = ""
    status: int = 200
    asks_parent: bool = False


@get("/stories/{scenario_id:str}/choose", opt=OWN_GAME, include_in_schema=False)
async def choose_page(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Show who of the family could play, each with a character of its own to begin with."""
    work = _works(request).open()
    story = await _story(work, scenario_id)
    free = iter([character.id for character in story.characters])
    places: list[Place] = []
    for profile in await accounts.profiles(work, (await family(request)).account_id):
        is_first = profile.may_play and not any(place.is_playing for place in places)
        character_id = next(free, "") if profile.may_play else ""
        places.append(Place(profile.id, profile.name, profile.avatar, profile.may_play, is_first, character_id))
    return await _shown(request, work, story, Table(places, _empty_seats(GUESTS_AT_FIRST)))


@post("/stories/{scenario_id:str}/choose", opt=OWN_GAME, include_in_schema=False)
async def add_guests(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Show the same choice with a seat for another guest, or with a guest for every character that is free."""
    form = await read_form(request, MoreSeatsForm)
    work = _works(request).open()
    story = await _story(work, scenario_id)
    table = await _as_sent(request, work, form)
    grow = _with_another_seat if form.more == "guest" else _filled
    return await _shown(request, work, story, grow(table, story))


@post("/stories/{scenario_id:str}/play", opt=OWN_GAME, include_in_schema=False)
async def start(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[Any]:
    """Start the story with the chosen players, or show the choice again with what is wrong with it."""
    form = await read_form(request, SeatsForm)
    who = await family(request)
    works = _works(request)
    story = await _story(works.open(), scenario_id)
    try:
        game = await actions.start_game(
            works,
            account_id=who.account_id,
            owner_profile_id=_owner(form),
            scenario_id=scenario_id,
            seats=_seats(form),
            restart=form.restart,
            parent_allows=form.parent_allows,
        )
    except (PlayersInvalid, TooYoung, ConsentMissing, PurchaseNeeded) as problem:
        work = works.open()
        return await _shown(request, work, story, _refused(await _as_sent(request, work, form), problem))
    return Redirect(f"/play/{game.id}", status_code=303)


async def _as_sent(request: Request[Any, Any, Any], work: Work, form: SeatsForm) -> Table:
    """Return the table as the form describes it, so that no tick and no name is lost."""
    taken, ages = form.character, form.guest_age
    places = [
        Place(one.id, one.name, one.avatar, one.may_play, one.id in form.players, taken.get(one.id, ""))
        for one in await accounts.profiles(work, (await family(request)).account_id)
    ]
    named = [seat for seat in GUESTS if form.guest.get(seat, "").strip()]
    guests = [
        Place(seat, form.guest.get(seat, ""), None, True, seat in named, taken.get(seat, ""), ages.get(seat, ""))
        for seat in GUESTS
        if seat in form.guest
    ]
    return Table(places, guests)


def _refused(table: Table, problem: Problem) -> Table:
    is_about_age = isinstance(problem, TooYoung)
    return table._replace(notice=problem.message, status=STATUS[problem.kind], asks_parent=is_about_age)


def _with_another_seat(table: Table, story: content.StoryCard) -> Table:
    if _sitting(table) >= PLAYERS_MAX or len(table.guests) >= len(GUESTS):
        return table._replace(notice=FULL)
    return table._replace(guests=[*table.guests, *_empty_seats(len(table.guests) + 1)[len(table.guests) :]])


def _filled(table: Table, story: content.StoryCard) -> Table:
    """Give every free character a guest by that character's name: the story then reads as it was written."""
    named = [guest for guest in table.guests if guest.is_playing]
    everybody = [place for place in table.places if place.is_playing] + named
    taken = {place.character_id for place in everybody}
    free = [character for character in story.characters if character.id not in taken]
    room = PLAYERS_MAX - len(everybody)
    if not free or room <= 0:
        return table._replace(notice=NO_CHARACTER_FREE if room > 0 else FULL)
    used = {guest.id for guest in named}
    seats = [seat for seat in GUESTS if seat not in used]
    new = [
        Place(seat, character.name, None, True, True, character.id)
        for seat, character in zip(seats, islice(free, room), strict=False)
    ]
    return table._replace(guests=sorted([*named, *new], key=lambda guest: GUESTS.index(guest.id)))


def _sitting(table: Table) -> int:
    return sum(place.is_playing for place in [*table.places, *table.guests])


def _empty_seats(count: int) -> list[Place]:
    return [Place(seat, "", None, True, False, "") for seat in GUESTS[:count]]


async def _shown(
    request: Request[Any, Any, Any], work: Work, story: content.StoryCard, table: Table
) -> Response[bytes]:
    who = await family(request)
    return page(
        request,
        "play/choose.html",
        status=table.status,
        story=story,
        places=table.places,
        guests=table.guests,
        age_groups=await content.age_groups(work),
        games=await continuable(work, who.account_id, story.id),
        notice=table.notice,
        asks_parent=table.asks_parent,
    )


def _owner(form: SeatsForm) -> str:
    if not form.players:
        raise PlayersInvalid(reason="Choose at least one player of your family.")
    return form.players[0]


def _seats(form: SeatsForm) -> tuple[Seat, ...]:
    seats = [Seat(profile_id=id, character_id=form.character.get(id) or None) for id in form.players]
    seats += [
        Seat(name=name, character_id=form.character.get(seat) or None, age_group=form.guest_age.get(seat) or None)
        for seat, name in form.guest.items()
        if name.strip()
    ]
    return tuple(seats)


async def _story(work: Work, scenario_id: str) -> content.StoryCard:
    story = await content.story(work, scenario_id)
    if story is None:
        raise StoryNotFound
    return story


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (choose_page, add_guests, start)
