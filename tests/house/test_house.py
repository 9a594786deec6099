"""The house: rules that a machine can check, each shown to fail on a planted bad tree."""

import ast
import re
import subprocess
import sys
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from cyclopts import App

ROOT = Path(__file__).parents[2]
LINES_MAX, TEST_LINES_MAX, FUNCTION_LINES_MAX = 400, 600, 50
DRAWERS = {"utils", "helpers", "common", "core", "base", "misc", "shared"}
BAD_ENDINGS = ("Manager", "Service", "Helper", "Impl", "DTO")
ROOMS = ("accounts", "analytics", "content", "operations", "play")
ROOM_FILES = {
    *("__init__", "problems", "events", "model", "storage", "views", "actions", "reactions", "jobs", "http", "pages"),
    *("grpc", "commands", "ports"),
}
OUTSIDE = {
    "asyncpg",
    "apsw",
    "aiohttp",
    "httpx",
    "litestar",
    "uvicorn",
    "os",
    "pathlib",
    "subprocess",
    "socket",
    "yaml",
}
# Joined here so that this file does not name them either.
REGISTRIES = tuple("".join(parts) for parts in (("py", "pi.org"), ("python", "hosted.org"), ("registry.npm", "js.org")))


def python_files(root: Path, *folders: str) -> Iterator[Path]:
    for folder in folders:
        yield from sorted((root / folder).rglob("*.py"))


def too_long(root: Path) -> list[str]:
    found: list[str] = []
    for path in python_files(root, "src", "tests", "bench", "migrations"):
        most = TEST_LINES_MAX if path.is_relative_to(root / "tests") or "versions" in path.parts else LINES_MAX
        lines = len(path.read_text().splitlines())
        if lines > most:
            found.append(f"{path}: {lines} lines")
        if path.is_relative_to(root / "src"):
            found += long_functions(path)
    return found


def long_functions(path: Path) -> list[str]:
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return [
        f"{path}:{node.lineno} {node.name}: {node.end_lineno - node.lineno + 1} lines"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, functions) and node.end_lineno and node.end_lineno - node.lineno + 1 > FUNCTION_LINES_MAX
    ]


def bad_names(root: Path) -> list[str]:
    found = [str(path) for path in python_files(root, "src", "tests") if path.stem.strip("_") in DRAWERS]
    for path in python_files(root, "src"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ClassDef) and node.name.endswith(BAD_ENDINGS):
                found.append(f"{path}:{node.lineno} {node.name}")
    return found


def without_a_sentence(root: Path) -> list[str]:
    return [str(path) for path in python_files(root, "src") if not ast.get_docstring(ast.parse(path.read_text()))]


def strays_in_rooms(root: Path) -> list[str]:
    found: list[str] = []
    for room in ROOMS:
        for path in python_files(root, f"src/mystira/{room}"):
            parts = path.relative_to(root / "src/mystira" / room).with_suffix("").parts
            if "model" not in parts[:-1] and "actions" not in parts[:-1] and parts[-1] not in ROOM_FILES:
                found.append(str(path))
    return found


def models_that_reach_out(root: Path) -> list[str]:
    found: list[str] = []
    for path in python_files(root, *(f"src/mystira/{room}" for room in ROOMS)):
        if path.stem == "model" or "model" in path.parts:
            found += [f"{path}: {name}" for name in imports(path) if name.split(".")[0] in OUTSIDE]
    return found


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def game_words_in_the_framework(root: Path) -> list[str]:
    words = re.compile(r"\b(scenario|story|stories|player|badge|compass|echo)s?\b", re.IGNORECASE)
    return [
        f"{path}:{number}: {line.strip()}"
        for path in python_files(root, "src/mystira/polyglot")
        for number, line in enumerate(path.read_text().splitlines(), start=1)
        if words.search(line)
    ]


def readers_of_the_environment(root: Path) -> list[str]:
    return [
        str(path)
        for path in python_files(root, "src")
        if path.name != "settings.py" and re.search(r"\bos\.(environ|getenv)\b", path.read_text())
    ]


def named_registries(root: Path) -> list[str]:
    tracked = subprocess.run(["git", "ls-files"], cwd=root, capture_output=True, text=True, check=False).stdout.split(
        "\n"
    )
    paths = [root / name for name in tracked if name] or [path for path in root.rglob("*") if path.is_file()]
    found: list[str] = []
    for path in paths:
        text = path.read_bytes().decode(errors="ignore") if path.is_file() else ""
        found += [f"{path} names a package registry" for host in REGISTRIES if host in text]
    return found


def decisions_without_a_part(root: Path) -> list[str]:
    found: list[str] = []
    for path in sorted((root / "docs/decisions").glob("[0-9]*.md")):
        text = path.read_text()
        found += [
            f"{path}: {part}" for part in ("Status", "Context", "Decision", "Consequences") if f"## {part}" not in text
        ]
    return found


def unlisted_collections(root: Path) -> list[str]:
    sources = [path.read_text() for path in python_files(root, *(f"src/mystira/{room}" for room in ROOMS))]
    declared = {name for text in sources for name in re.findall(r"^([A-Z_]+) = Collection\(", text, re.MULTILINE)}
    listed = {
        name
        for text in sources
        for found in re.findall(r"^COLLECTIONS = \((.*?)\)", text, re.DOTALL | re.MULTILINE)
        for name in re.findall(r"\b[A-Z_]+\b", found)
    }
    return sorted(declared - listed)


CHECKS: tuple[Callable[[Path], list[str]], ...] = (
    too_long,
    bad_names,
    without_a_sentence,
    strays_in_rooms,
    models_that_reach_out,
    game_words_in_the_framework,
    readers_of_the_environment,
    named_registries,
    decisions_without_a_part,
    unlisted_collections,
)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_this_house_keeps_the_rule(check: Callable[[Path], list[str]]) -> None:
    assert check(ROOT) == []


PLANTED: dict[Callable[[Path], list[str]], tuple[tuple[str, str], ...]] = {
    too_long: (
        ("src/mystira/long.py", '"""x"""\n' + "x = 1\n" * 401),
        ("tests/test_long.py", "x = 1\n" * 601),
        ("src/mystira/deep.py", "def f():\n" + "    x = 1\n" * 51),
    ),
    bad_names: (("src/mystira/utils.py", ""), ("src/mystira/a.py", "class ThingManager: ...")),
    without_a_sentence: (("src/mystira/silent.py", "x = 1"),),
    strays_in_rooms: (("src/mystira/play/dice.py", ""), ("src/mystira/content/media/magic.py", "")),
    models_that_reach_out: (
        ("src/mystira/play/model/x.py", "import asyncpg"),
        ("src/mystira/accounts/model.py", "import os"),
    ),
    game_words_in_the_framework: (("src/mystira/polyglot/x.py", "# the player's badge"),),
    readers_of_the_environment: (("src/mystira/play/actions.py", "import os\nos.environ['X']"),),
    named_registries: (("lock.txt", f"https://{REGISTRIES[0]}/simple"),),
    decisions_without_a_part: (("docs/decisions/0001-x.md", "# x\n## Status\n## Context\n## Decision\n"),),
    unlisted_collections: (("src/mystira/play/storage.py", "LOST = Collection(\nCOLLECTIONS = (FOUND,)\n"),),
}


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
def test_each_rule_finds_what_breaks_it(check: Callable[[Path], list[str]], tmp_path: Path) -> None:
    for name, text in PLANTED[check]:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        assert check(tmp_path), name
        path.unlink()
    assert check(tmp_path) == []


def test_every_collection_is_known_to_the_services() -> None:
    from mystira.services import COLLECTIONS

    declared = sum(
        len(re.findall(r"^[A-Z_]+ = Collection\(", path.read_text(), re.MULTILINE))
        for path in python_files(ROOT, *(f"src/mystira/{room}" for room in ROOMS))
    )
    assert len(COLLECTIONS) == declared


def test_the_import_contracts_hold() -> None:
    ended = subprocess.run(
        [Path(sys.executable).parent / "lint-imports", "--no-cache"], cwd=ROOT, capture_output=True, text=True
    )
    assert ended.returncode == 0, ended.stdout
    assert "0 broken" in ended.stdout


def test_every_command_that_the_documents_name_exists() -> None:
    from mystira import cli

    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    for path in (ROOT / "README.md", ROOT / "ARCHITECTURE.md", *sorted((ROOT / "docs").rglob("*.md"))):
        text = path.read_text()
        for target in re.findall(r"`make ([a-z-]+)", text):
            assert target in targets, f"{path.name} names `make {target}`"
        for command in re.findall(r"(?:`|^)(?:\.venv/bin/)?mystira ([a-z -]+)", text, re.MULTILINE):
            refused = _first_unknown(cli.app, command.split())
            assert not refused, f"{path.name} names `mystira {command}`: there is no {refused}"


def _first_unknown(app: App, words: list[str]) -> str:
    """Return the first word that should be a command and is none; words after the last command are arguments."""
    for word in words:
        known = {name for name in app if not name.startswith("-")}
        if not known or word.startswith("-"):
            return ""
        if word not in known:
            return "" if app.default_command else word
        app = app[word]
    return ""


def test_no_document_of_ours_lies_about_its_links() -> None:
    for path in (*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")):
        for target in re.findall(r"\]\((?!http|#)([^)#]+)", path.read_text()):
            assert (path.parent / target).exists(), f"{path.name} links to {target}"


def test_the_command_line_tells_the_version_that_the_project_has() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    told = subprocess.run([sys.executable, "-m", "mystira", "--version"], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == project["version"]
