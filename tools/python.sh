#!/bin/sh
# Tells which Python the virtual environment is made of: PYTHON where it is set, else python3, but the system's own of
# the same version where python3 was built without optimisations, as pyenv builds it: that one is a fifth slower.
set -eu
[ -n "${PYTHON:-}" ] && { printf '%s\n' "$PYTHON"; exit 0; }
system=${SYSTEM_PYTHON:-/usr/bin/python3}

version() { "$1" -c 'import ensurepip, sys, venv; print(*sys.version_info[:2])' 2>/dev/null; }
# Distributions optimise what they ship, and do not say so.
is_slow() { "$1" -c 'import sys, sysconfig; sys.exit(sys.base_prefix == "/usr" or "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or ""))' 2>/dev/null; }

if is_slow python3 && wanted=$(version python3) && [ "$(version "$system")" = "$wanted" ]; then
  printf '%s\n' "$system"
else
  echo python3
fi
