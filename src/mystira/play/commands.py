"""`mystira play`: a story in the terminal, through the same actions as everywhere else; and what stories come to."""

import textwrap
from collections.abc import Sequence
from random import Random

from mystira.play import actions
from mystira.play.actions import Seat
from mystira.play.model.calibration import Measure, Summary, calibrate, calibrate_bundle, summary
from mystira.play.model.moves import Asked
from mystira.play.model.script import Script
from mystira.play.views import SceneShown, Standing, script, session, standing
from mystira.polyglot.work import Works

WIDTH = 88
MOVES_MAX = 500


async def play_in_terminal(works: Works, scenario_id: str, *, auto: bool, seed: int | None) -> None:
    """Play one story to its ending. With `auto` chance chooses; the same seed makes the same choices and rolls."""
    chance = Random(seed)
    if seed is not None:
        # The game's own seed comes from the works, so that a seeded run throws the same dice.
        works.random = Random(seed)
    game = await actions.start_game(
        works,
        account_id="terminal",
        owner_profile_id="terminal-player",
        scenario_id=scenario_id,
        seats=(Seat(profile_id="terminal-player"),),
        parent_allows=True,
    )
    for number in range(1, MOVES_MAX):
        work = works.open()
        game = await session(work, "terminal", game.id)
        played = await script(work, game.scenario_id, game.scenario_version)
        shown = standing(game, played, work)
        _show(shown)
        if game.is_over:
            _show_ending(shown)
            return
        choice = _choose(shown.scene, chance, auto=auto)
        asked = Asked(scene_id=shown.scene.id, choice=choice, key=f"{number}")
        game, made = await works.run(actions.make_move, account_id="terminal", session_id=game.id, asked=asked)
        if made.roll is not None:
            outcome = "success" if made.roll.success else "not this time"
            _say(f"  The die shows {made.roll.value} against {made.roll.difficulty}: {outcome}.")
    _say("This story goes on and on; the terminal stops here.")


def _show(shown: Standing) -> None:
    _say("")
    _say(f"== {shown.scene.title} ==")
    for reveal in shown.reveals:
        _say(f"  ({reveal.mechanic}: {reveal.text})")
    for paragraph in shown.scene.text.split("\n\n"):
        _say(textwrap.fill(" ".join(paragraph.split()), WIDTH))


def _choose(scene: SceneShown, chance: Random, *, auto: bool) -> str:
    if scene.type == "choice":
        for number, choice in enumerate(scene.choices, start=1):
            _say(f"  {number}. {choice.text}")
    if auto:
        choice = chance.choice(scene.choices)
        _say(f"> {choice.text or choice.id}")
        return choice.id
    if scene.type != "choice":
        input("(Enter to throw the die) " if scene.type == "roll" else "(Enter to go on) ")
        return scene.choices[0].id
    while True:
        answer = input("> ").strip()
        if answer.isdecimal() and 1 <= int(answer) <= len(scene.choices):
            return scene.choices[int(answer) - 1].id
        _say(f"Write a number from 1 to {len(scene.choices)}.")


def calibrated(scripts: Sequence[Script], measure: Measure, percents: Sequence[float]) -> list[Summary]:
    """Return what each story comes to on each axis and, of several, what all of them do one after another."""
    calibrations = [calibrate(script, measure) for script in scripts]
    summaries = [summary(script.title, made, percents) for script, made in zip(scripts, calibrations, strict=True)]
    if len(scripts) > 1:
        summaries.append(summary(f"All {len(scripts)} stories", calibrate_bundle(calibrations), percents))
    return summaries


def print_summary(shown: Summary) -> None:
    """Show one story as a table, an axis a line, on the scale of the files (1 is a strong choice)."""
    _say(f"{shown.title}: {int(shown.paths):,} paths, {shown.unfinished:.2%} of the plays unfinished")
    heads = ["least", *(f"{percent} %" for percent in _percents(shown)), "most", "mean"]
    width = max((len(axis.axis) for axis in shown.axes), default=0)
    _say("  " + " " * width + "".join(f"{head:>9}" for head in heads))
    for axis in shown.axes:
        numbers = [axis.least, *axis.percentiles.values(), axis.most, axis.mean]
        _say(f"  {axis.axis:<{width}}" + "".join(f"{number / 1000:>+9.3f}" for number in numbers))


def _percents(shown: Summary) -> list[str]:
    return list(shown.axes[0].percentiles) if shown.axes else []


def _show_ending(shown: Standing) -> None:
    _say("")
    _say(f"The end, after {shown.moves} moves.")
    for axis, value in sorted(shown.compass.items()):
        _say(f"  {axis}: {value / 1000:+.2f}")
    _say(f"  {shown.echoes} echoes, {len(shown.achievements)} achievements.")


def _say(text: str) -> None:
    print(text, flush=True)  # noqa: T201 - this is what a command line is for.
