#!/bin/sh
# Brings Debian's Chromium for the browser tests where that is possible; elsewhere they are skipped and say so.
set -u
command -v chromium >/dev/null 2>&1 && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  printf 'Chromium is missing and cannot be installed here (that needs root and apt-get): browser tests will be skipped.\n'
  exit 0
fi
printf 'Installing Chromium for the browser tests.\n'
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium; } >/tmp/mystira-apt.log 2>&1 ||
  printf 'Chromium could not be installed (see /tmp/mystira-apt.log): browser tests will be skipped.\n'
exit 0
