"""The story editor's pages: click a scene of the picture to edit it; nothing that was typed is ever lost."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, cast

from litestar import Request, Response, get, post
from litestar.params import FromPath
from litestar.response import Redirect

from mystira.content import views as content
from mystira.content.scenarios import actions
from mystira.content.scenarios.actions import Asked
from mystira.content.scenarios.model import editing
from mystira.content.scenarios.model.comparing import Difference, compare
from mystira.content.scenarios.model.editing import Document, filled, lines_in, number_in
from mystira.content.scenarios.model.findings import Finding
from mystira.content.scenarios.model.life import stage, steps
from mystira.content.scenarios.model.picture import picture
from mystira.content.scenarios.model.scenario import Attribution
from mystira.content.scenarios.model.writing import document
from mystira.content.scenarios.pages import LIST, gone_page
from mystira.content.scenarios.problems import ScenarioNotFound
from mystira.content.scenarios.views import by_scene
from mystira.polyglot.work import Works
from mystira.textfiles.writing import to_yaml
from mystira.web.access import allow, staff
from mystira.web.bodies import Body, read_form
from mystira.web.pages import page
from mystira.web.versions import Stale, version_in

STORY = f"{LIST}/{{scenario_id:str}}"
PARTS = ("about", "characters", "new")

PANEL = "#panel"

Change = Callable[[Document], Document]


class Panel(NamedTuple):
    """The form beside the picture: which part, and what it shows where that is not what is kept."""

    part: str = "about"
    scene: str = ""
    typed: Any = None
    wrong: tuple[Finding, ...] = ()
    stale: Difference | None = None


class AboutForm(Body, frozen=True, kw_only=True):
    """What is said about the whole story."""

    version: str
    title: str = ""
    description: str = ""
    tags: str = ""
    difficulty: str = ""
    session_length: str = ""
    age_group: str = ""
    minimum_age: str = ""
    core_axes: list[str] = []
    archetypes: list[str] = []
    image: str = ""
    music_palette: str = ""
    author: str = ""
    illustrator: str = ""
    narrator: str = ""
    musician: str = ""
    based_on: str = ""
    licence: str = ""

    def part(self) -> Document:
        """Return the facts about the story."""
        texts = ("title", "description", "difficulty", "session_length", "age_group", "image", "music_palette")
        said: dict[str, Any] = {name: getattr(self, name).strip() for name in texts}
        lists = {"core_axes": self.core_axes, "archetypes": self.archetypes, "tags": lines_in(self.tags)}
        credits = filled({name: getattr(self, name).strip() for name in Attribution.__struct_fields__})
        return {**said, **lists, "minimum_age": number_in(self.minimum_age), "attribution": credits}


class CharactersForm(Body, frozen=True, kw_only=True):
    """All characters, one a row."""

    version: str
    character: dict[str, str] = {}

    def part(self) -> list[Document]:
        """Return the characters; a row without a word is none."""
        return [one for row in editing.rows_in(self.character) if (one := editing.character_in(row))]


class SceneForm(Body, frozen=True, kw_only=True):
    """One scene; `was` is the id that it had when the form was opened."""

    version: str
    was: str
    id: str = ""
    title: str = ""
    type: str = ""
    description: str = ""
    next_scene: str = ""
    difficulty: str = ""
    active_character: str = ""
    image: str = ""
    audio: str = ""
    video: str = ""
    music: str = ""
    sound_effects: str = ""
    creative_instruction: str = ""
    branch: dict[str, str] = {}
    reveal: dict[str, str] = {}

    def part(self) -> Document:
        """Return the scene as a file would say it."""
        texts = ("id", "title", "type", "description", "next_scene", "active_character", "music")
        said: dict[str, Any] = {name: getattr(self, name).strip() for name in texts}
        said["difficulty"] = number_in(self.difficulty)
        said["media"] = filled({name: getattr(self, name).strip() for name in ("image", "audio", "video")})
        said["branches"] = [one for row in editing.rows_in(self.branch) if (one := editing.branch_in(row))]
        said["echo_reveals"] = [one for row in editing.rows_in(self.reveal) if (one := editing.reveal_in(row))]
        said["metadata"] = filled({"creative_instruction": self.creative_instruction.strip()})
        said["sound_effects"] = lines_in(self.sound_effects)
        return filled(said)


class NewSceneForm(Body, frozen=True, kw_only=True):
    """A scene to add, and the one that leads to it."""

    version: str
    id: str
    title: str
    type: str
    led_from: str = ""


class RemoveForm(Body, frozen=True, kw_only=True):
    """A scene to remove."""

    version: str
    scene: str


class Saving(NamedTuple):
    """What a form asks to be kept: of which story, as somebody saw it; its form again, or where to go on."""

    scenario_id: str
    version: str
    panel: Panel
    then: str


@get(STORY, opt=allow("viewer", page=True), include_in_schema=False)
async def story_page(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[bytes]:
    """Show a story as a picture, and one part of it as a form."""
    scene, part = request.query_params.get("scene", ""), request.query_params.get("part", "")
    panel = Panel("scene", scene) if scene else Panel(part if part in PARTS else "about")
    return await _shown(request, scenario_id, panel)


@post(f"{STORY}/about", opt=allow("operator", page=True), include_in_schema=False)
async def save_about(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[Any]:
    """Keep what is said about the whole story."""
    form = await read_form(request, AboutForm)
    typed = form.part()
    asked = Saving(scenario_id, form.version, Panel("about", typed=typed), f"?part=about{PANEL}")
    return await _saved(request, asked, lambda told: editing.with_about(told, typed))


@post(f"{STORY}/characters", opt=allow("operator", page=True), include_in_schema=False)
async def save_characters(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[Any]:
    """Keep the characters."""
    form = await read_form(request, CharactersForm)
    typed = form.part()
    asked = Saving(scenario_id, form.version, Panel("characters", typed=typed), f"?part=characters{PANEL}")
    return await _saved(request, asked, lambda told: editing.with_characters(told, typed))


@post(f"{STORY}/scene", opt=allow("operator", page=True), include_in_schema=False)
async def save_scene(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[Any]:
    """Keep one scene."""
    form = await read_form(request, SceneForm)
    typed = form.part()
    panel = Panel("scene", form.was, typed=typed)
    asked = Saving(scenario_id, form.version, panel, f"?scene={typed.get('id', form.was)}{PANEL}")
    return await _saved(request, asked, lambda told: editing.with_scene(told, form.was, typed))


@post(f"{STORY}/scenes", opt=allow("operator", page=True), include_in_schema=False)
async def add_scene(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[Any]:
    """Add a scene, and go on with it."""
    form = await read_form(request, NewSceneForm)
    scene = editing.new_scene(form.id.strip(), form.title.strip(), form.type)
    panel = Panel("new", typed={**scene, "led_from": form.led_from})
    asked = Saving(scenario_id, form.version, panel, f"?scene={form.id.strip()}{PANEL}")
    return await _saved(request, asked, lambda told: editing.with_new_scene(told, scene, form.led_from))


@post(f"{STORY}/scenes/remove", opt=allow("operator", page=True), include_in_schema=False)
async def remove_scene(request: Request[Any, Any, Any], scenario_id: FromPath[str]) -> Response[Any]:
    """Remove a scene."""
    form = await read_form(request, RemoveForm)
    asked = Saving(scenario_id, form.version, Panel("scene", form.scene), PANEL)
    return await _saved(request, asked, lambda told: editing.without_scene(told, form.scene))


async def _saved(request: Request[Any, Any, Any], saving: Saving, change: Change) -> Response[Any]:
    """Keep the story as changed, and go on; or show the form as it was sent, with what keeps it from being kept."""
    try:
        return await _kept(request, saving, change)
    except ScenarioNotFound:
        anew = editing.with_only(saving.scenario_id, saving.panel.part, saving.panel.typed)
        if anew is None:
            raise
        missing = (await actions.checked_document(_works(request).open(), anew, is_draft=True)).errors
        return gone_page(request, saving.scenario_id, text=to_yaml(anew), wrong=missing)


async def _kept(request: Request[Any, Any, Any], saving: Saving, change: Change) -> Response[Any]:
    works, who = _works(request), await staff(request)
    work = works.open()
    told = document((await actions.scenario_of(work, saving.scenario_id)).content)
    wished = change(told)
    checked = await actions.checked_document(work, wished, is_draft=True)
    if checked.content is None:
        return await _shown(request, saving.scenario_id, saving.panel._replace(wrong=checked.errors), status=422)
    asked = Asked(by=who.name, seen=version_in(saving.version))
    try:
        await works.run(actions.save_draft, scenario_id=saving.scenario_id, content=checked.content, asked=asked)
    except Stale:
        panel = saving.panel._replace(stale=compare(told, wished))
        return await _shown(request, saving.scenario_id, panel, status=412)
    return Redirect(f"{LIST}/{saving.scenario_id}{saving.then}", status_code=303)


async def _shown(
    request: Request[Any, Any, Any], scenario_id: str, panel: Panel, *, status: int = 200
) -> Response[bytes]:
    work = _works(request).open()
    scenario = await actions.scenario_of(work, scenario_id)
    told = document(scenario.content)
    checked = await actions.checked_document(work, told, is_draft=True)
    vocabulary = await content.vocabulary(work)
    scene = next((one for one in told["scenes"] if one["id"] == panel.scene), None)
    form = panel.typed if panel.typed is not None else {"about": told, "scene": scene}.get(panel.part, told)
    is_gone = panel.part == "scene" and form is None
    return page(
        request,
        "content/scenario.html",
        status=404 if is_gone else status,
        scenario=scenario,
        stage=stage(scenario),
        steps=steps(scenario),
        picture=picture(scenario.content.scenes, scenario.content.start, panel.scene),
        findings=by_scene(scenario.content, checked.findings),
        errors=len(checked.errors),
        warnings=len(checked.findings) - len(checked.errors),
        told=told,
        panel=panel,
        form=_lenient(form),
        nothing=_lenient({}),
        scenes=[(one["id"], one["title"]) for one in told["scenes"]],
        characters=[(one["id"], one["name"]) for one in told.get("characters", ())],
        is_gone=is_gone,
        words=vocabulary.words,
        media=await content.media_offered(work),
        version=work.version_of(scenario).packed,
    )


class _Said(dict[str, Any]):
    """What a form shows: a field that nobody has filled is empty, and so is everything inside of it."""

    def __missing__(self, name: str) -> "_Said":
        return _Said()


def _lenient(value: Any) -> Any:
    if isinstance(value, Mapping):
        return _Said({name: _lenient(part) for name, part in cast(Mapping[str, Any], value).items()})
    return [_lenient(part) for part in cast(list[Any], value)] if isinstance(value, list) else value


def _works(request: Request[Any, Any, Any]) -> Works:
    return cast(Works, request.app.state.works)


HANDLERS = (story_page, save_about, save_characters, save_scene, add_scene, remove_scene)
