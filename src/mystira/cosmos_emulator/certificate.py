"""A certificate of the endpoint's own for HTTPS, made by the openssl program and kept for the user."""

import subprocess
import tempfile
from pathlib import Path

from mystira.cosmos_emulator.schema import Unusable

DAYS = 397
NAMES = "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:::1"


def certificate() -> tuple[Path, Path]:
    """Return the files of a new certificate and its key, which only this user can read."""
    folder = Path(tempfile.mkdtemp(prefix="cosmos-emulator-"))
    made, key = folder / "certificate.pem", folder / "key.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", str(DAYS), "-subj", "/CN=localhost", "-addext", NAMES]
    try:
        subprocess.run([*command, "-out", str(made), "-keyout", str(key)], check=True, capture_output=True)
    except FileNotFoundError:
        raise Unusable("HTTPS needs the program openssl. Install it, or leave out --https.") from None
    except subprocess.CalledProcessError as error:
        raise Unusable(f"openssl made no certificate: {error.stderr.decode(errors='replace').strip()}") from None
    return made, key
