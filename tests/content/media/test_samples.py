"""The sample stories show and sound what comes with them, which goes through the library like everybody's files."""

import re
from html import unescape
from pathlib import Path

import pytest

from mystira.content.commands import SAMPLE_CONTENT, check_own_file, import_media, read_vocabulary, vocabulary_of
from mystira.content.media.model.asset import MediaAsset, type_of
from mystira.content.media.model.naming import media_of
from mystira.play.actions import Seat, start_game
from mystira.services.app import seed
from tests.operations.conftest import Desk, desk

__all__ = ["desk"]

pytestmark = pytest.mark.anyio

MEDIA = SAMPLE_CONTENT / "media"
BYTES_MAX = 1_500_000


def shown_by_stories() -> set[str]:
    vocabulary = vocabulary_of(read_vocabulary(SAMPLE_CONTENT / "vocabulary"))
    shown: set[str] = set()
    for path in (SAMPLE_CONTENT / "scenarios").glob("*.yaml"):
        checked = check_own_file(path, vocabulary)
        assert checked.content is not None
        assert [one for one in checked.findings if one.code == "media_not_uploaded"] == []
        shown |= set(media_of(checked.content))
    return shown


async def test_everything_that_comes_with_the_stories_is_shown_and_small() -> None:
    files = {path.name: path.stat().st_size for path in MEDIA.iterdir() if path.suffix != ".yaml"}
    assert shown_by_stories() == set(files)
    assert sum(files.values()) < BYTES_MAX


async def test_the_stories_show_it_and_a_second_start_brings_nothing_twice(desk: Desk) -> None:
    await seed(desk.platform, SAMPLE_CONTENT, print)
    works, refused = desk.platform.works, list[str]()
    for _ in range(2):
        await import_media(works, desk.platform.media, MEDIA, refused.append)
    assert refused == []
    for media_id in shown_by_stories():
        asset = await works.open().get(MediaAsset, media_id, type_of(media_id))
        assert asset is not None and asset.edition == 1 and asset.title and asset.alt_text
    await desk.client.post("/sign-in/sample-family")
    seats = (Seat(profile_id="sample-mira"),)
    asked = {"account_id": "sample-family", "owner_profile_id": "sample-mira", "seats": seats}
    game = await start_game(works, scenario_id="the-lantern-in-the-lighthouse", **asked)
    page = (await desk.client.get(f"/play/{game.id}")).text
    assert re.findall(r'class="view" src="[^"]+" alt="([^"]+)"', page) == [
        "A lighthouse without light on a rock at night. Nell waves from the shore."
    ]
    (picture,), (sound,) = re.findall(r'class="view" src="([^"]+)"', page), re.findall(r'data-sound="([^"]+)"', page)
    for address, kind in ((picture, "image/webp"), (sound, "audio/")):
        sent = await desk.client.get(unescape(address))
        assert sent.status_code == 200 and sent.headers["content-type"].startswith(kind)


async def test_a_file_that_cannot_be_taken_is_told_and_stops_no_other(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "media.yaml").write_text(
        "- {file: torn.webp, title: Torn, alt_text: Torn}\n- {file: sea-hush.wav, title: Sea, alt_text: Sea}\n"
    )
    (tmp_path / "torn.webp").write_bytes((MEDIA / "lantern-dark.webp").read_bytes()[:900])
    (tmp_path / "sea-hush.wav").write_bytes((MEDIA / "sea-hush.wav").read_bytes())
    refused: list[str] = []
    await import_media(desk.platform.works, desk.platform.media, tmp_path, refused.append)
    assert len(refused) == 1 and refused[0].startswith("torn.webp of the sample stories was not taken: ")
    assert await desk.platform.works.open().get(MediaAsset, "sea-hush.wav", "audio") is not None
