"""Which media a story names: all of them, and those that give nothing of it away."""

from collections.abc import Iterable

from mystira.content.media.model.asset import type_of
from mystira.content.scenarios.model.scenario import ScenarioContent


def media_of(content: ScenarioContent) -> list[str]:
    """Return the ids of uploaded media that a story names, each once."""
    named: list[str | None] = []
    for scene in content.scenes:
        named += (scene.media.image, scene.media.audio, scene.media.video)
    return list(dict.fromkeys([*for_everybody(content), *uploaded(named)]))


def for_everybody(content: ScenarioContent) -> list[str]:
    """Return the ids of uploaded media that give nothing away: the cover, who one can be, music and sounds."""
    named: list[str | None] = [content.image, content.music_palette]
    for character in content.characters:
        named += (character.image, character.audio)
    for scene in content.scenes:
        named += (scene.music, *scene.sound_effects)
    return list(dict.fromkeys(uploaded(named)))


def uploaded(named: Iterable[str | None]) -> Iterable[str]:
    """Yield those that were uploaded: what comes with the program lies in folders, and uploaded media do not."""
    return (one for one in named if one is not None and "/" not in one and type_of(one) is not None)
