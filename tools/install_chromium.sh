#!/usr/bin/env bash
# Installs Debian's Chromium, for the tests of pages: in CI, where nobody else has.
set -euo pipefail

apt-get install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null 2>&1 || {
  apt-get update >/dev/null # the lists may be older than what the mirror has
  DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends chromium fonts-dejavu-core >/dev/null
}
chromium --version
