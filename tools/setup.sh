#!/bin/sh
# Makes .venv hold exactly what a lock names, and .venv/bin/mystira start this checkout.
# Usage: tools/setup.sh run|test. Does nothing when nothing changed; repairs what was interrupted.
set -eu
cd "$(dirname "$0")/.."
kind=${1:-run}
lock=requirements.lock
[ "$kind" = test ] && lock=requirements-dev.lock

fail() { printf '%s\n' "$1" >&2; exit 1; }

wanted="$(cat "$lock" tools/setup.sh tools/python.sh | cksum) $(pwd)"
stamp=.venv/.mystira-$kind
if [ -x .venv/bin/mystira ] && { [ "$(cat "$stamp" 2>/dev/null)" = "$wanted" ] || { [ "$kind" = run ] && [ -f .venv/.mystira-test ] && [ "$(cat .venv/.mystira-lock-run 2>/dev/null)" = "$(cksum <requirements.lock)" ]; }; }; then
  exit 0
fi

python=$(tools/python.sh)
command -v "$python" >/dev/null 2>&1 || fail "Python was not found. Install Python 3.11 or newer (on Debian: apt-get install python3 python3-venv), then try again."
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || fail "This is $("$python" --version); Mystira needs Python 3.11 or newer. Name another one: make run PYTHON=python3.12"
"$python" -c 'import venv, ensurepip' 2>/dev/null || fail "Python's venv module is missing. Install it (on Debian: apt-get install python3-venv), then try again."
(: >.writable) 2>/dev/null || fail "$(pwd) cannot be written. Move the checkout to a folder of yours, then try again."
rm -f .writable

log=$(mktemp) || fail "No temporary file can be made; the disk that holds ${TMPDIR:-/tmp} may be full. Free some space, then try again."
trap 'rm -f "$log"' EXIT
step() { # what, command...
  printf '%s\n' "$1"; shift
  if ! "$@" >"$log" 2>&1; then
    # What runs out of space does not always say so; a disk with next to nothing free says it for it.
    free_kb=$(df -Pk . | awk 'NR == 2 { print $4 }')
    if grep -qiE 'no space left|disk quota' "$log" || [ "${free_kb:-999999}" -lt 20000 ]; then
      fail "The disk that holds $(pwd) is full. Free about 600 MB, then try again."
    elif grep -qiE 'permission denied|read-only file system' "$log"; then
      fail "Something in $(pwd) cannot be written. Make it yours (chown), or move the checkout, then try again."
    elif grep -qiE 'connection|resolve|timed out|network' "$log"; then
      tail -n 3 "$log" >&2
      fail "The package registry cannot be reached. Check the network (and the index settings of pip or uv), then try again."
    fi
    cat "$log" >&2
    fail "Setting up failed; the lines above say why. Remove .venv and try again."
  fi
}

rm -f .venv/.mystira-*
.venv/bin/python -c 'import pip' 2>/dev/null || step "Making the virtual environment .venv of $("$python" -c 'import sys; print(sys.executable)')." "$python" -m venv --clear .venv
[ -x .venv/bin/uv ] || step "Bringing uv, which installs the rest." .venv/bin/python -m pip install --quiet --disable-pip-version-check uv
step "Installing what $lock names." .venv/bin/uv pip sync --quiet --require-hashes "$lock"
site=$(.venv/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')
printf '%s\n' "$(pwd)/src" >"$site/mystira.pth" || fail "The disk that holds $(pwd) is full. Free some space, then try again."
printf '#!/bin/sh\nexec "%s/.venv/bin/python" -m mystira "$@"\n' "$(pwd)" >.venv/bin/mystira
chmod +x .venv/bin/mystira
cksum <requirements.lock >.venv/.mystira-lock-run
printf '%s' "$wanted" >"$stamp"
