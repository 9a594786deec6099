"""Alert rules fire when they should and only then; rules and dashboards name only what there is."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mystira.polyglot import measures
from mystira.polyglot.measures import Spread

ROOT = Path(__file__).parents[2]
HERE = ROOT / "infra/monitoring"
DASHBOARDS = sorted((HERE / "dashboards").glob("*.json"))

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed: tools/promtool.sh brings it where it can"
)


def known_series() -> set[str]:
    names = {one.name for one in measures.ALL if not isinstance(one, Spread)}
    spreads = [one.name for one in measures.ALL if isinstance(one, Spread)]
    return names | {f"{name}_{part}" for name in spreads for part in ("bucket", "sum", "count")}


def unknown_in(expression: str) -> set[str]:
    return set(re.findall(r"\bmystira_\w+", expression)) - known_series()


def labels_in(expression: str) -> Iterator[tuple[str, str]]:
    """Every label that a selector in this expression asks for, with its metric."""
    for name, selector in re.findall(r"\b(mystira_\w+)\{([^}]*)\}", expression):
        for label in re.findall(r"(\w+)\s*(?:=~|!~|!=|=)", selector):
            yield name, label


def has_label(name: str, label: str) -> bool:
    for one in measures.ALL:
        if name == one.name or (isinstance(one, Spread) and name.rpartition("_")[0] == one.name):
            return label in one.labels
    return False


def rules() -> list[dict[str, Any]]:
    (group,) = yaml.safe_load((HERE / "alerts.yml").read_text())["groups"]
    return group["rules"]


def promtool(*arguments: str) -> str:
    done = subprocess.run(["promtool", *arguments], cwd=HERE, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@needs_promtool
def test_the_rules_are_valid_and_fire_only_when_they_should() -> None:
    assert f"{len(rules())} rules found" in promtool("check", "rules", "alerts.yml")
    assert "SUCCESS" in promtool("test", "rules", "tests.yml")


@needs_promtool
def test_a_rule_that_would_not_fire_is_found(tmp_path: Path) -> None:
    for name in ("alerts.yml", "tests.yml"):
        text = (HERE / name).read_text()
        (tmp_path / name).write_text(text.replace("mystira_store_up) == 0", "mystira_store_up) == 7"))
    done = subprocess.run(
        ["promtool", "test", "rules", "tests.yml"], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0
    assert "StoreDown" in done.stdout + done.stderr


def test_every_rule_has_series_that_fire_it_and_series_that_do_not() -> None:
    fires: set[str] = set()
    quiet: set[str] = set()
    for case in yaml.safe_load((HERE / "tests.yml").read_text())["tests"]:
        assert not set().union(*(unknown_in(one["series"]) for one in case["input_series"]))
        for one in case["alert_rule_test"]:
            (fires if one["exp_alerts"] else quiet).add(one["alertname"])
    names = {rule["alert"] for rule in rules()}
    assert (fires, quiet) == (names, names)


def test_rules_name_only_metrics_that_exist_and_say_what_to_do() -> None:
    for rule in rules():
        assert unknown_in(rule["expr"]) == set(), rule["alert"]
        assert [pair for pair in labels_in(rule["expr"]) if not has_label(*pair)] == [], rule["alert"]
        assert rule["labels"]["severity"] in ("warning", "critical")
        runbook = rule["annotations"]["runbook"]
        assert re.fullmatch(r"docs/runbooks/[a-z-]+\.md", runbook)
        assert (ROOT / runbook).is_file(), f"{rule['alert']} sends whoever is woken to a page that is not there"
        assert rule["annotations"]["summary"].endswith(".")


@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_metric_in_a_panel_exists(path: Path) -> None:
    board = json.loads(path.read_text())
    assert board["uid"] and board["title"]
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    for panel in board["panels"]:
        for target in panel["targets"]:
            assert "mystira_" in target["expr"]
            assert unknown_in(target["expr"]) == set(), panel["title"]
            assert [pair for pair in labels_in(target["expr"]) if not has_label(*pair)] == [], panel["title"]


@needs_promtool
@pytest.mark.parametrize("path", DASHBOARDS, ids=lambda path: path.stem)
def test_every_expression_in_a_panel_can_be_asked(path: Path, tmp_path: Path) -> None:
    panels = json.loads(path.read_text())["panels"]
    asked = [target["expr"] for panel in panels for target in panel["targets"]]
    group = {"name": "asked", "rules": [{"record": f"asked:{at}", "expr": one} for at, one in enumerate(asked)]}
    (tmp_path / "asked.yml").write_text(yaml.safe_dump({"groups": [group]}))
    assert f"{len(asked)} rules found" in promtool("check", "rules", str(tmp_path / "asked.yml"))


def test_every_metric_is_on_a_dashboard() -> None:
    shown = " ".join(path.read_text() for path in DASHBOARDS)
    assert [one.name for one in measures.ALL if one.name not in shown] == []
