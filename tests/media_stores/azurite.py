"""Installs Azurite, Microsoft's imitation of Blob Storage, from npm, and runs it in a process of its own."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

HERE = Path(__file__).parent
INSTALL_S_MAX, START_S_MAX = 300, 60
# Without scripts: nothing of what is installed may run before it is asked to.
INSTALL = ("npm", "ci", "--ignore-scripts", "--no-audit", "--no-fund")
ACCOUNT = "devstoreaccount1"
# The key that Microsoft's documentation gives to everybody; it opens nothing but imitations.
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="


def missing() -> str | None:
    """Install Azurite if need be; return why it cannot be run here, or None."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            return f"{program} is not installed, so Azurite cannot be run."
    wanted = json.loads((HERE / "package.json").read_text())["dependencies"]["azurite"]
    installed = HERE / "node_modules/azurite/package.json"
    if installed.exists() and json.loads(installed.read_text())["version"] == wanted:
        return None
    try:
        subprocess.run(INSTALL, cwd=HERE, check=True, capture_output=True, timeout=INSTALL_S_MAX)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        return f"npm ci failed in {HERE}, so Azurite cannot be run: {error}"
    return None


@contextmanager
def azurite(folder: Path) -> Generator[str]:
    """Run Azurite while the body runs; it is given the address as MYSTIRA_MEDIA names it."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    program = HERE / "node_modules/azurite/dist/src/blob/main.js"
    options = ("--blobPort", str(port), "--location", str(folder), "--skipApiVersionCheck", "--disableTelemetry")
    command = ("node", str(program), *options, "--silent", "--blobHost", "127.0.0.1")
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as server:
        try:
            _wait_for(port, server)
            yield f"az://{ACCOUNT}?endpoint=http://127.0.0.1:{port}/{ACCOUNT}"
        finally:
            server.kill()


def _wait_for(port: int, server: "subprocess.Popen[bytes]") -> None:
    until = time.monotonic() + START_S_MAX
    while time.monotonic() < until:
        assert server.poll() is None, "Azurite ended as it began"
        with socket.socket() as asked:
            if asked.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise AssertionError("Azurite does not answer")
