"""The audit keeps what people change themselves, once however often the fact of it arrives."""

from datetime import UTC, datetime

import pytest

from mystira.content.events import ContentChanged
from mystira.operations import views
from mystira.services.worker import settle
from tests.operations.conftest import Desk

pytestmark = pytest.mark.anyio


async def test_a_change_of_content_is_in_the_audit_with_who_when_what_and_why(desk: Desk) -> None:
    await desk.sign_in("olga")
    made = await desk.client.put(
        "/admin/api/archetypes/jester?why=the+court+wants+one", json={"name": "Jester"}, headers={"If-None-Match": "*"}
    )
    assert made.status_code == 201, made.text
    await settle(desk.platform)
    (kept,) = (await views.commands(desk.platform.works.open(), collection="archetypes")).items
    assert (kept.who, kept.verb, kept.why, kept.arguments) == (
        "olga",
        "created",
        "the court wants one",
        {"id": "jester"},
    )
    shown = (await desk.client.get("/admin/audit?collection=archetypes")).text
    assert "the court wants one" in shown and "jester: created." in shown
    one = await desk.client.get(f"/admin/commands/{kept.id}")
    assert one.status_code == 200 and "Somebody did this themselves" in one.text


async def test_a_fact_that_arrives_again_is_kept_once(desk: Desk) -> None:
    event = ContentChanged(
        event_id="01890000-0000-7000-8000-000000000001",
        occurred_at=datetime(2026, 11, 21, tzinfo=UTC),
        what="badges",
        content_id="b",
        change="deleted",
        by="olga",
    )
    for _ in range(3):
        await desk.platform.reactions.deliver(desk.platform.works, event)
    found = await views.commands(desk.platform.works.open(), collection="badges")
    assert [one.id for one in found.items] == [event.event_id]
