"""Installs the npm server that we compare ourselves with, and runs it in a process of its own."""

import json
import shutil
import subprocess
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
INSTALL_S_MAX = 180
# Without scripts: nothing of what is installed may run before it is asked to.
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")


def missing() -> str | None:
    """Install the server if need be; return why it cannot be run here, or None."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed; the npm server cannot be compared."
    if _installed() == _wanted():
        return None
    try:
        subprocess.run(INSTALL, cwd=HERE, check=True, capture_output=True, timeout=INSTALL_S_MAX)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return f"npm ci failed in {HERE}, so the npm server cannot be compared: {error}"
    return None


@contextmanager
def npm_server() -> Generator[str]:
    """Run the server while the body runs; it is given the address."""
    with subprocess.Popen(("node", "server.js"), cwd=HERE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as server:
        try:
            assert server.stdout is not None
            yield f"http://127.0.0.1:{int(server.stdout.readline())}"
        finally:
            server.kill()


def _installed() -> str | None:
    file = HERE / "node_modules/@vercel/cosmosdb-server/package.json"
    return json.loads(file.read_text())["version"] if file.exists() else None


def _wanted() -> str:
    return json.loads((HERE / "package.json").read_text())["dependencies"]["@vercel/cosmosdb-server"]
