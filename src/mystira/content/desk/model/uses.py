"""Which words a story uses, so that none is taken away from it."""

from collections.abc import Iterator

from mystira.content.scenarios.model.scenario import ScenarioContent
from mystira.content.vocabulary.model import WordKind


def words_of(content: ScenarioContent, kind: WordKind) -> frozenset[str]:
    """Return the ids of one kind of word that a story uses."""
    return frozenset(_words(content, kind))


def _words(content: ScenarioContent, kind: WordKind) -> Iterator[str]:
    branches = [branch for scene in content.scenes for branch in scene.branches]
    match kind:
        case "age_group":
            yield from () if content.age_group is None else (content.age_group,)
        case "axis":
            yield from content.core_axes
            yield from (branch.compass_change.axis for branch in branches if branch.compass_change)
        case "archetype":
            yield from content.archetypes
            yield from (word for character in content.characters for word in character.metadata.archetype)
        case "echo_type":
            yield from (branch.echo_log.echo_type for branch in branches if branch.echo_log)
            yield from (reveal.echo_type for scene in content.scenes for reveal in scene.echo_reveals)
        case "theme":
            return
