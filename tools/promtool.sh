#!/bin/sh
# Brings Debian's promtool for the tests of the alert rules where that is possible; elsewhere they are skipped and say so.
set -u
command -v promtool >/dev/null 2>&1 && exit 0
if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then
  printf 'promtool is missing and cannot be installed here (that needs root and apt-get): tests of alerts will be skipped.\n'
  exit 0
fi
printf 'Installing promtool for the tests of the alert rules.\n'
{ apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends prometheus; } \
  >/tmp/mystira-promtool.log 2>&1 ||
  printf 'promtool could not be installed (see /tmp/mystira-promtool.log): tests of alerts will be skipped.\n'
exit 0
