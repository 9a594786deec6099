"""Echoes coming back: what a scene reveals when it is entered."""

from mystira.play.model.script import EchoReveal, Scene
from mystira.play.model.session import Echo, GameSession, Reveal


def reveal_echoes(session: GameSession, scene: Scene) -> tuple[GameSession, tuple[Reveal, ...]]:
    """Reveal, for each of the scene's reveals in order, the newest fitting echo; each echo comes back once."""
    echoes = list(session.echoes)
    visit = len(session.visits)
    shown: list[Reveal] = []
    for wanted in scene.echo_reveals:
        at = _newest(echoes, wanted, session.visits)
        if at is None:
            continue
        echo = echoes[at]
        echoes[at] = Echo(
            echo_type=echo.echo_type,
            text=echo.text,
            strength=echo.strength,
            scene_id=echo.scene_id,
            visit=echo.visit,
            revealed_at_visit=visit,
        )
        shown.append(
            Reveal(
                echo_type=echo.echo_type,
                text=echo.text,
                mechanic=wanted.reveal_mechanic,
                scene_id=scene.id,
                visit=visit,
            )
        )
    if not shown:
        return session, ()
    return session.evolve(echoes=tuple(echoes), reveals=(*session.reveals, *shown)), tuple(shown)


def _newest(echoes: list[Echo], wanted: EchoReveal, visits: tuple[str, ...]) -> int | None:
    if wanted.trigger_scene_id is not None and wanted.trigger_scene_id not in visits:
        return None
    since = visits.index(wanted.trigger_scene_id) + 1 if wanted.trigger_scene_id is not None else 1
    for at in range(len(echoes) - 1, -1, -1):
        if _fits(echoes[at], wanted, since, len(visits)):
            return at
    return None


def _fits(echo: Echo, wanted: EchoReveal, since: int, visit: int) -> bool:
    return (
        echo.echo_type == wanted.echo_type
        and echo.revealed_at_visit is None
        and abs(echo.strength) >= abs(wanted.min_strength)
        and (wanted.min_strength >= 0 or echo.strength < 0)
        and echo.visit >= since
        and (wanted.max_age_scenes is None or visit - echo.visit <= wanted.max_age_scenes)
    )
