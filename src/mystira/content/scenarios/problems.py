"""What the scenarios room refuses, and why."""

from mystira.polyglot.problem import Kind, Problem


class ScenarioNotFound(Problem):
    """This story does not exist."""

    kind = Kind.NOT_FOUND


class VersionNotFound(Problem):
    """This story has no such version. Look at its list of versions to see which there are."""

    kind = Kind.NOT_FOUND


class SceneNotFound(Problem):
    """The story has no scene {scene}. Somebody may have removed it: open the story again."""

    kind = Kind.NOT_FOUND


class ScenarioExists(Problem):
    """There is a story {scenario_id} already. Open it to change it, or choose another title."""

    kind = Kind.CONFLICT


class ScenarioMustWait(Problem):
    """The story is {state}, so this cannot be done with it: {step}. What can be done now: {possible}."""

    kind = Kind.CONFLICT


class ScenarioUnfinished(Problem):
    """The story has {count} errors, the first: {first} Mend them, then hand it in."""

    kind = Kind.UNPROCESSABLE


class ScenarioWrong(Problem):
    """Nothing was saved: {first} There are {count} such errors."""

    kind = Kind.UNPROCESSABLE


class ScenarioPlayable(Problem):
    """Players can begin this story, so it cannot be deleted. Archive it first."""

    kind = Kind.CONFLICT


class ScenarioInUse(Problem):
    """The story is still used ({uses}), so it cannot be deleted. Leave it archived: players do not see it."""

    kind = Kind.CONFLICT


class WhyMissing(Problem):
    """Say why, in 3 to {most} characters: it is kept with what is done."""

    kind = Kind.UNPROCESSABLE


class StepUnknown(Problem):
    """There is no step {step}. There are: {steps}."""

    kind = Kind.NOT_FOUND
