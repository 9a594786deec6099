"""The demonstration's chapters, in their order."""

import asyncio
import shutil
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

from demo import trouble
from demo.families import make_families, name_of
from demo.fleet import CommandFailed, Fleet
from demo.players import Player, Taken, Wrong, percentiles
from demo.telling import Teller
from mystira.polyglot.stores.postgres.embedded import remove

ACCOUNTS, SESSIONS, SCORES = "Accounts", "GameSessions", "PlayerScenarioScores"
COLLECTIONS = (ACCOUNTS, SESSIONS, SCORES)
EVERY_S = 1.0
CALM_SHARE = 0.08
TRIES = 8
RETRIED = (3, 5, 6)
"""Exit codes after which a verb may simply be repeated: a gate is closed, it was taken back, a store was away."""


class Wanted(NamedTuple):
    """How large and how long it is to be, and which services are killed."""

    seconds: float
    families: int
    players: int
    killed: tuple[str, ...]


class Demo:
    """What the chapters work with, and what they come to."""

    def __init__(self, wanted: Wanted, data: Path) -> None:
        self.wanted = wanted
        self.data = data
        self.tell = Teller()
        self.fleet = Fleet(data, self.tell)
        self.players = [Player(number, self.fleet.ports["app"]) for number in range(wanted.players)]
        self.held_s: dict[str, float] = {}
        self.calm: list[tuple[float, float]] = []
        self.wrong: list[str] = []

    async def calmly(self) -> None:
        """Let the players play by themselves, to measure by."""
        now = asyncio.get_running_loop().time
        began = now()
        await asyncio.sleep(max(4.0, self.wanted.seconds * CALM_SHARE))
        self.calm.append((began, now()))

    def expect(self, is_so: bool, otherwise: str) -> None:
        """Remember what did not come out as it should; the end tells."""
        if not is_so:
            self.wrong.append(otherwise)
            self.tell.line(f"NOT AS IT SHOULD BE: {otherwise}")


async def perform(wanted: Wanted) -> bool:
    """Run it; return whether everything came out as it should. Nothing of it stays behind."""
    folder = _own_folder()
    data = folder / "data"
    demo = Demo(wanted, data)
    try:
        await _chapters(demo)
    except (CommandFailed, Wrong) as failed:
        demo.expect(False, str(failed))
    finally:
        await demo.fleet.stop()
        await remove(data)
    _verdict(demo)
    if not demo.wrong:
        shutil.rmtree(folder, ignore_errors=True)
    else:
        demo.tell.line(f"What the services said is in {data}.")
    return not demo.wrong


def _own_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="mystira-demo-"))
    # PostgreSQL runs as somebody else where the demonstration runs as root, and must reach its own folder.
    folder.chmod(0o711)
    (folder / "data").mkdir()
    return folder


async def _chapters(demo: Demo) -> None:
    demo.tell.heading(f"{demo.wanted.families} families sign up")
    await make_families(demo.data, demo.wanted.families, demo.wanted.players)
    demo.tell.heading("The services start, each in a process of its own")
    await demo.fleet.start("app", "admin", "worker")
    await _addresses(demo)
    async with _playing(demo):
        demo.tell.heading(f"{demo.wanted.players} of them play, a move a second each")
        await demo.calmly()
        for chapter in (_fill, _corrupt, _poison, _cut_over, _stand_alone, _go_back):
            await chapter(demo)
        demo.tell.heading("Back in DualWriteCosmosRead; the players go on for a while")
        await demo.calmly()
    await _check(demo)


async def _addresses(demo: Demo) -> None:
    added = await demo.fleet.mystira("admin", "add", "demo", "--role", "admin", shown=False)
    demo.tell.line(f"Watch the move:  {demo.fleet.address('admin')}/admin/migration")
    demo.tell.line(f"    sign in as demo, with the password {added['password']}")
    demo.tell.line(f"Watch a player:  {demo.fleet.address('app')}/")
    demo.tell.line(f"    sign in as {name_of(0)}@example.org; the link comes to {demo.fleet.address('app')}/mailbox")


@asynccontextmanager
async def _playing(demo: Demo) -> AsyncGenerator[None]:
    enough = asyncio.Event()
    games = [asyncio.create_task(player.play(EVERY_S, enough)) for player in demo.players]
    try:
        yield
    finally:
        enough.set()
        for ended in await asyncio.gather(*games, return_exceptions=True):
            if isinstance(ended, BaseException):
                demo.expect(False, f"a player stopped: {ended}")


async def _fill(demo: Demo) -> None:
    demo.tell.heading("CosmosOnly -> DualWriteCosmosRead: copies are filled; a service dies meanwhile")
    filling = asyncio.gather(*(_insist(demo, "migrate", "start", name, "--wait") for name in COLLECTIONS))
    for service in demo.wanted.killed:
        await asyncio.sleep(1.5)
        demo.tell.line(f"kill -9 {demo.fleet.kill(service)}   (the {service})")
        await demo.fleet.start(service)
        demo.tell.line(f"The {service} runs again.")
    for status in await filling:
        one = status["collections"][0] if "collections" in status else status
        demo.tell.line(f"{one['collection']} is in {one['phase']}.")


async def _corrupt(demo: Demo) -> None:
    victim = name_of(demo.wanted.players + 7)
    demo.tell.heading("One row is changed by hand")
    demo.tell.line(f"UPDATE accounts SET email = 'somebody.else@example.org' WHERE id = '{victim}'")
    await trouble.corrupt_a_row(demo.data, victim)
    reports = await _scrubbed(demo)
    demo.expect(reports[ACCOUNTS] == 1, f"the scrub found {reports[ACCOUNTS]} differences in {ACCOUNTS}, not 1")
    demo.tell.line("The scrub has found it. The leader has what is right:")
    await demo.fleet.mystira("migrate", "repair", ACCOUNTS, "--yes", "--why", "a row changed by hand")
    again = await demo.fleet.mystira("migrate", "verify", ACCOUNTS, "--scrub", codes=(0, 4))
    demo.expect(again["differences"] == 0, f"{ACCOUNTS} still has {again['differences']} differences after the repair")
    demo.tell.line(f"{ACCOUNTS}: {again['differences']} differences.")


async def _scrubbed(demo: Demo) -> dict[str, int]:
    reports = await asyncio.gather(
        *(demo.fleet.mystira("migrate", "verify", name, "--scrub", codes=(0, 4)) for name in COLLECTIONS)
    )
    for name, report in zip(COLLECTIONS, reports, strict=True):
        demo.tell.line(f"{name}: everything was reread; {report['differences']} differences.")
    return {name: report["differences"] for name, report in zip(COLLECTIONS, reports, strict=True)}


async def _poison(demo: Demo) -> None:
    demo.tell.heading("A record that PostgreSQL will not take")
    demo.tell.line("Somebody has added a constraint that is too strict, and a family signs up that breaks it.")
    await trouble.add_a_rule(demo.data)
    await trouble.write_the_poison(demo.data)
    letters = await _letters(demo, bool)
    demo.expect(len(letters) == 1, f"{len(letters)} dead letters instead of 1")
    for letter in letters:
        demo.tell.line(f"Dead letter: {letter['id']}: {letter['error']}")
    demo.tell.line("The constraint is dropped, and the letter tried again:")
    await trouble.take_the_rule_away(demo.data)
    await demo.fleet.mystira("migrate", "dead-letters", "replay", ACCOUNTS, "--id", trouble.POISON, "--why", "mended")
    left = await _letters(demo, lambda found: not found)
    demo.expect(not left, f"{len(left)} dead letters are left")
    demo.tell.line(f"{len(left)} dead letters are left.")


async def _letters(demo: Demo, enough: Callable[[list[Any]], bool]) -> list[Any]:
    found: list[Any] = []
    for turn in range(TRIES):
        listed = await demo.fleet.mystira("migrate", "dead-letters", "list", ACCOUNTS, shown=turn == 0)
        found = listed["letters"]
        if enough(found):
            break
        await asyncio.sleep(1)
    return found


async def _cut_over(demo: Demo) -> None:
    demo.tell.heading("DualWriteCosmosRead -> DualWritePostgresRead: a backup, then PostgreSQL leads")
    backup = await demo.fleet.mystira("backup", str(demo.data.parent / "backup"), "--why", "before the cut-over")
    demo.tell.line(f"The backup was read back; writes of documents waited {backup['held_ms']:.0f} ms for it.")
    for name in COLLECTIONS:
        await _change_leader(demo, "cutover", name)


async def _stand_alone(demo: Demo) -> None:
    demo.tell.heading("DualWritePostgresRead -> PostgresOnly; then PostgreSQL dies")
    await asyncio.gather(*(_insist(demo, "migrate", "finish", name, "--yes") for name in COLLECTIONS))
    before = sum(len(player.acknowledged) for player in demo.players)
    demo.tell.line(f"kill -9 {demo.fleet.kill_postgres()}   (PostgreSQL, which leads alone now)")
    await _soon(lambda: sum(len(player.acknowledged) for player in demo.players) > before + len(demo.players))
    demo.tell.line("One of the services has started it again; the players play on.")


async def _go_back(demo: Demo) -> None:
    demo.tell.heading("And back: PostgresOnly -> DualWritePostgresRead -> DualWriteCosmosRead")
    await asyncio.gather(*(_insist(demo, "migrate", "reopen", name, "--wait") for name in COLLECTIONS))
    for name in COLLECTIONS:
        await _change_leader(demo, "rollback", name)


async def _change_leader(demo: Demo, verb: str, name: str) -> None:
    certificate = await _insist(demo, "migrate", verb, name, "--yes")
    demo.held_s[f"{verb} {name}"] = certificate["held_s"]
    held, refused = certificate["held_s"] * 1_000, certificate["refused"]
    demo.tell.line(f"{name} is in {certificate['after']}; writes were held {held:.0f} ms, {refused} refused.")


async def _insist(demo: Demo, *words: str) -> dict[str, Any]:
    """Repeat a verb that was taken back or found a gate closed: where machines are busy, counting takes a while."""
    for turn in range(TRIES):
        answer = await demo.fleet.mystira(*words, codes=(0, *RETRIED), shown=turn == 0)
        if "problem" not in answer:
            return answer
        demo.tell.line(f"{words[1]} {words[2]}: {answer['problem'].get('message', answer['problem'])}")
        await asyncio.sleep(2)
    raise CommandFailed(f"mystira {' '.join(words)} was refused {TRIES} times")


async def _soon(true: Callable[[], bool]) -> None:
    for _ in range(600):
        if true():
            return
        await asyncio.sleep(0.1)
    raise CommandFailed("the players did not go on within a minute")


async def _check(demo: Demo) -> None:
    demo.tell.heading("Every player asks for everything that was ever acknowledged")
    checks: list[Awaitable[list[str]]] = [player.check() for player in demo.players]
    lost = [sentence for found in await asyncio.gather(*checks) for sentence in found]
    for sentence in lost:
        demo.expect(False, sentence)
    asked = sum(len(player.acknowledged) for player in demo.players)
    demo.tell.line(f"{asked} moves in {sum(len(player.moves) for player in demo.players)} games: {len(lost)} lost.")
    demo.expect(asked > 0, "nobody played")
    for name, differences in (await _scrubbed(demo)).items():
        demo.expect(differences == 0, f"{name} has {differences} differences at the end")


def _verdict(demo: Demo) -> None:
    demo.tell.heading("What it came to")
    taken = [one for player in demo.players for one in player.taken]
    for when, part in zip(("before", "during", "after"), _parts(demo, taken), strict=True):
        middle, high, longest = percentiles(part)
        told = f"{len(part):6} moves, p50 {middle:6.1f} ms, p99 {high:8.1f} ms, longest {longest:8.1f} ms"
        demo.tell.line(f"Players {when:7} {told}")
    for verb, held_s in demo.held_s.items():
        demo.tell.line(f"Writes held by {verb:30} {held_s * 1_000:7.0f} ms")
    asked = sum(len(player.acknowledged) for player in demo.players)
    demo.tell.line(f"{asked} acknowledged moves, {len(demo.wrong)} things wrong.")
    for sentence in demo.wrong:
        demo.tell.line(f"WRONG: {sentence}")
    demo.tell.line("Nothing was lost." if not demo.wrong else "The demonstration has failed.")


def _parts(demo: Demo, taken: list[Taken]) -> tuple[list[Taken], list[Taken], list[Taken]]:
    if len(demo.calm) < 2:
        return taken, [], []
    (first, first_end), (last, _) = demo.calm
    before = [one for one in taken if first <= one.at < first_end]
    during = [one for one in taken if first_end <= one.at < last]
    return before, during, [one for one in taken if one.at >= last]
