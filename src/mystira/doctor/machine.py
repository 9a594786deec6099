"""Looks at the machine: Python, processors, memory, and the disk that holds the data."""

import os
import platform
import shutil
import sys
from pathlib import Path

from mystira.doctor.findings import Finding, fine, worth_knowing, wrong

PYTHON_MIN = (3, 11)
CORES_MIN = 2
MEMORY_MIN, MEMORY_LOW = 256 * 1024**2, 1024**3
DISK_MIN, DISK_LOW = 200 * 1024**2, 2 * 1024**3
MEMINFO = Path("/proc/meminfo")


def examine_machine(data: Path) -> list[Finding]:
    """Look at the machine; `data` need not exist yet."""
    return [_python(sys.version_info[:2]), _cores(os.cpu_count() or 1), _memory(_available()), _disk(data)]


def _python(version: tuple[int, int]) -> Finding:
    found = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if version < PYTHON_MIN:
        return wrong("python", found, "Install Python 3.11 or newer, and set everything up again: make run.")
    return fine("python", found)


def _cores(count: int) -> Finding:
    if count < CORES_MIN:
        return worth_knowing("processors", f"{count}", "With one processor, PostgreSQL and the platform wait in turn.")
    return fine("processors", str(count))


def _memory(available: int | None) -> Finding:
    if available is None:
        return fine("memory", "this system does not tell")
    found = f"{sized(available)} are free"
    if available < MEMORY_MIN:
        return wrong("memory", found, "End something else, or give the machine more: the stores need 256 MB at least.")
    if available < MEMORY_LOW:
        return worth_knowing("memory", found, "A filling and an archive need room: keep 1 GB free.")
    return fine("memory", found)


def _disk(data: Path) -> Finding:
    existing = next(at for at in (data, *data.parents) if at.exists())
    usage = shutil.disk_usage(existing)
    found = f"{sized(usage.free)} of {sized(usage.total)} are free where {data} is"
    if usage.free < DISK_MIN:
        return wrong("disk", found, "Free some space now: a full disk stops every write.")
    if usage.free < DISK_LOW:
        return worth_knowing("disk", found, "Free some space: backups and archives lie here too.")
    return fine("disk", found)


def sized(count: int) -> str:
    """Return a number of bytes as people say it."""
    return f"{count / 1024**3:.1f} GB" if count >= 1024**3 else f"{count / 1024**2:.0f} MB"


def _available() -> int | None:
    try:
        lines = MEMINFO.read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable:")), None)
