"""Which Python the virtual environment is made of, told by tools/python.sh."""

import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def fake(path: Path, *, version: str, slow: bool = True) -> Path:
    """An interpreter that answers the two questions the script asks."""
    path.write_text(f'#!/bin/sh\ncase "$2" in *base_prefix*) exit {0 if slow else 1};; esac\necho {version}\n')
    path.chmod(0o755)
    return path


def chosen(folder: Path, **environment: str) -> str:
    """What the script tells, with the folder's python3 before all others."""
    environment = {"PATH": f"{folder}:/usr/bin:/bin", **environment}
    told = subprocess.run([ROOT / "tools" / "python.sh"], env=environment, capture_output=True, text=True, check=True)
    return told.stdout.strip()


@pytest.mark.parametrize(
    ("slow", "system_version", "takes_system"), [(True, "3 11", True), (True, "3 12", False), (False, "3 11", False)]
)
def test_the_systems_own_is_taken_for_a_slow_one_of_its_version(
    tmp_path: Path, slow: bool, system_version: str, takes_system: bool
) -> None:
    fake(tmp_path / "python3", version="3 11", slow=slow)
    system = fake(tmp_path / "system", version=system_version)
    assert chosen(tmp_path, SYSTEM_PYTHON=str(system)) == (str(system) if takes_system else "python3")


def test_a_system_without_python_or_venv_changes_nothing(tmp_path: Path) -> None:
    fake(tmp_path / "python3", version="3 11")
    assert chosen(tmp_path, SYSTEM_PYTHON=str(tmp_path / "missing")) == "python3"


def test_who_names_one_gets_it(tmp_path: Path) -> None:
    fake(tmp_path / "python3", version="3 11")
    system = fake(tmp_path / "system", version="3 11")
    assert chosen(tmp_path, SYSTEM_PYTHON=str(system), PYTHON="/opt/python") == "/opt/python"
