"""What a player has to show after its games, and what a parent sees of them."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from mystira.content import views as content
from mystira.content.badges.model import Badge
from mystira.content.desk.actions import By, create
from mystira.content.desk.model.kinds import KINDS
from mystira.content.media.actions.uploading import Incoming, take_one
from mystira.play.actions import give_badge
from mystira.play.model.results import BadgeGoal, UserBadge
from mystira.play.model.session import GameSession
from mystira.play.trophies.model import progress_by_axis
from mystira.polyglot.work import Work
from mystira.run import settle
from tests.content.media.files import picture
from tests.journeys.conftest import Running
from tests.journeys.test_api import play_to_the_end, start

pytestmark = pytest.mark.anyio


async def trophies(family: Running, profile_id: str) -> dict[str, Any]:
    answer = await family.client.get(f"/api/v1/profiles/{profile_id}/trophies")
    assert answer.status_code == 200, answer.text
    return answer.json()


async def test_badges_counts_and_stories_are_those_of_the_games_that_were_finished(family: Running) -> None:
    before = await trophies(family, "sample-mira")
    assert before["statistics"] == {
        **dict.fromkeys(("stories", "games", "seconds", "moves", "rolls", "rolls_won", "echoes", "reveals"), 0),
        "achievements": {},
    }
    assert before["axes"] and not any(tier["is_earned"] for axis in before["axes"] for tier in axis["tiers"])
    games = []
    warning = "Mira has played this already"
    assert warning not in (await family.client.get("/stories/the-clockwork-orchard")).text
    for _ in range(2):
        game = await start(family)
        await play_to_the_end(family, game["session_id"])
        await settle(family.platform)
        games.append(await family.platform.works.open().get(GameSession, game["session_id"], "sample-family"))
    assert warning in (await family.client.get("/stories/the-clockwork-orchard")).text
    await start(family)
    room = await trophies(family, "sample-mira")
    counted = room["statistics"]
    assert (counted["stories"], counted["games"]) == (1, 2)
    own = [move for game in games for move in game.moves if move.player_id == game.owner_player_id]  # type: ignore[union-attr]
    assert counted["moves"] == len(own) > 0
    assert counted["rolls"] == sum(move.roll is not None for move in own)
    assert counted["rolls_won"] == sum(move.roll is not None and move.roll.success for move in own)
    assert counted["echoes"] == sum(len(game.echoes) for game in games)  # type: ignore[union-attr]
    assert counted["achievements"]["completed"] == 2
    assert [(story["scenario_id"], story["times"]) for story in room["stories"]] == [("the-clockwork-orchard", 2)]
    earned = {tier["name"] for axis in room["axes"] for tier in axis["tiers"] if tier["is_earned"]}
    assert earned == {badge["name"] for badge in room["badges"]} != set()
    totals = {axis["axis"]: axis["total"] for axis in room["axes"]}
    # A replay earns nothing, so the compass shows the first game only.
    first = games[0]
    assert first is not None
    for axis, total in first.totals[first.owner_player_id].items():
        assert totals[axis] == total
    for axis in room["axes"]:
        assert axis["next"] is None or axis["percent"] == min(
            100, max(0, 100 * axis["total"] // axis["next"]["threshold"])
        )


async def test_another_familys_player_has_no_trophy_room_here(family: Running) -> None:
    for path in ("/api/v1/profiles/somebody-else/trophies", "/players/somebody-else"):
        assert (await family.client.get(path)).status_code == 404


async def test_a_parent_sees_every_game_in_whatever_state(family: Running) -> None:
    game = await start(family)
    await family.client.post(f"/api/v1/sessions/{game['session_id']}/abandon")
    again = await start(family)
    await family.client.post(f"/api/v1/sessions/{again['session_id']}/pause")
    page = (await family.client.get("/family/activity")).text
    assert page.count("The Clockwork Orchard") == 2
    assert "given up" in page and "paused" in page and "Mira, Gus" in page


def test_a_badge_of_an_earlier_age_group_stays_in_the_room() -> None:

    badge = UserBadge(
        id="p|b",
        profile_id="p",
        badge_id="b",
        axis="courage",
        tier="bronze",
        name="Little Lion",
        earned_at=datetime(2026, 1, 1, tzinfo=UTC),
        session_id="s",
    )
    goal = BadgeGoal(id="c", age_group="10-12", axis="courage", tier="silver", name="Lion", threshold=800)
    (axis,) = progress_by_axis([goal], [badge], {"courage": 200})
    assert [(tier.name, tier.is_earned) for tier in axis.tiers] == [("Little Lion", True), ("Lion", False)]
    assert (axis.next.name if axis.next else None, axis.percent) == ("Lion", 25)


async def test_a_badge_shows_the_picture_that_was_uploaded_for_it_and_the_others_their_medals(
    family: Running, tmp_path: Path
) -> None:
    works, by = family.platform.works, By("ada", "a badge deserves a picture")
    file = tmp_path / "lion.png"
    file.write_bytes(picture((72, 84)))
    taken = await take_one(works, family.platform.media, Incoming(path=file, name=file.name, by=by.name, why=by.why))
    assert taken.state == "added", taken
    goal, plain, *others = await content.badge_goals(works.open(), "6-9")
    told = {"name": "Lion", "media": "lion.png", "alt": "A lion <yawns>."}
    await works.run(create, kind=KINDS["badge-images"], id="lion", plain=told, by=by)
    await works.run(show, badge_id=goal.id, image="lion")
    await works.run(show, badge_id=plain.id, image=None)
    await settle(family.platform)
    room = await trophies(family, "sample-mira")
    assert room["profile"]["age_group"] == "6-9"
    shown = {tier["name"]: tier["image"] for axis in room["axes"] for tier in axis["tiers"]}
    assert (shown.pop(goal.name), shown.pop(plain.name)) == ({"media": "lion.png", "alt": told["alt"]}, None)
    assert len(shown) == len(others) and all(image["media"].startswith("art/badges/") for image in shown.values())
    page = (await family.client.get("/players/sample-mira")).text
    address = f"/media/lion.png?instead=art/badges/{goal.tier}.svg"
    assert page.count(address) == 1 and 'alt="A lion &lt;yawns&gt;."' in page
    # Every medal of ours carries the picture of its axis; the lion stands by itself.
    assert page.count('src="/static/art/badges/') == len(others) + 1 == page.count('width="36"')
    answer = await family.client.get(address)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "image/webp")
    # So does the page that says which badges are new.
    game = (await start(family))["session_id"]
    await family.client.post(f"/api/v1/sessions/{game}/abandon")
    for badge in (goal, plain):
        await works.run(give_badge, profile_id="sample-mira", goal=goal_of(badge), session_id=game)
    new = (await family.client.get(f"/play/{game}/earned", headers={"hx-request": "true"})).text
    assert new.count("A new badge") == 2
    assert new.count(address) == 1 and 'alt="A lion &lt;yawns&gt;."' in new
    assert new.count(f'src="/static/art/badges/{plain.tier}.svg') == 1 == new.count('width="60"')


def goal_of(badge: Badge) -> BadgeGoal:
    return msgspec.convert(badge, BadgeGoal, from_attributes=True)


async def show(work: Work, *, badge_id: str, image: str | None) -> None:
    badge = await work.get(Badge, badge_id)
    assert badge is not None
    work.save(badge.evolve(image=image))
