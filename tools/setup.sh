#!/usr/bin/env bash
# Makes .venv with the six packages (editable, but for the kernel, which is compiled where there is a C compiler), their extras
# and the development tools. Does nothing when up to date.
#
# torch is always a CPU build: from PIP_FIND_LINKS where that holds one, otherwise from the index that uv knows for it.
# PYTHON=/path/to/python3.12 tools/setup.sh chooses the interpreter.
set -euo pipefail
cd "$(dirname "$0")/.."

MINIMUM_UV="0.9.8" # the first with `exclude-dependencies`
VENV=.venv
STAMP=$VENV/.setup-stamp

say() { printf 'setup: %s\n' "$*" >&2; }
fail() { say "$@"; exit 1; }

is_supported_python() {
  "$1" -c 'import sys; sys.exit(sys.version_info[:2] not in ((3, 11), (3, 12)))' >/dev/null 2>&1
}

is_recent_uv() {
  local version
  version=$("$1" --version 2>/dev/null) || return 1
  version=${version#uv }
  [ "$(printf '%s\n' "$MINIMUM_UV" "${version%% *}" | sort -V | head -n 1)" = "$MINIMUM_UV" ]
}

find_uv() { # empty where there is none that is recent enough
  local candidate
  for candidate in uv "$VENV/bin/uv" "$HOME/.local/bin/uv"; do
    if is_recent_uv "$candidate"; then
      printf '%s' "$candidate"
      return
    fi
  done
}

find_python() { # UV, which may be empty
  local candidate
  for candidate in ${PYTHON:+"$PYTHON"} python3.11 python3.12 python3 python; do
    if is_supported_python "$candidate"; then
      printf '%s' "$candidate"
      return
    elif [ "$candidate" = "${PYTHON:-}" ]; then
      fail "PYTHON=$PYTHON is not Python 3.11 or 3.12: name one that is, or leave PYTHON unset"
    fi
  done
  for candidate in 3.11 3.12; do
    if [ -n "$1" ] && "$1" python find "$candidate" 2>/dev/null; then
      return
    fi
  done
  fail "found no Python 3.11 or 3.12, and concrete-python has no build for others: install one (for example" \
    "\`uv python install 3.11\`) or give its path: PYTHON=/path/to/python3.11 make setup"
}

checksum() { # of all that decides what is installed, and where
  {
    pwd
    cat pyproject.toml packages/*/pyproject.toml tools/hashes.txt tools/setup.sh
    cat packages/kernel/hatch_build.py packages/kernel/native/* packages/kernel/src/cryptable_kernel/*.py
    command -v cc || true
    "$VENV/bin/python" -VV
  } | if command -v sha256sum >/dev/null; then sha256sum; else shasum -a 256; fi
}

pip_setting() { # PYTHON NAME: what pip is configured to use, since uv does not read pip's configuration
  local variable
  variable=PIP_$(printf '%s' "$2" | tr 'a-z-' 'A-Z_')
  if [ -n "${!variable:-}" ]; then
    printf '%s' "${!variable}"
  else
    "$1" -m pip config get "global.$2" 2>/dev/null || true
  fi
}

take_over_pip_settings() { # PYTHON
  local index links link existing=""
  index=$(pip_setting "$1" index-url)
  if [ -n "$index" ] && [ -z "${UV_DEFAULT_INDEX:-}${UV_INDEX_URL:-}" ]; then
    export UV_DEFAULT_INDEX="$index"
  fi
  if [ -n "${PIP_CERT:-}" ] && [ -z "${SSL_CERT_FILE:-}" ]; then
    export SSL_CERT_FILE="$PIP_CERT"
  fi
  links=$(pip_setting "$1" find-links)
  for link in $links; do
    case "$link" in
      *://*) existing="$existing,$link" ;;
      *) if [ -d "$link" ]; then existing="$existing,$link"; fi ;; # uv refuses a folder that is not there
    esac
  done
  if [ -n "$existing" ] && [ -z "${UV_FIND_LINKS:-}" ]; then
    export UV_FIND_LINKS="${existing#,}"
  fi
}

cpu_torch_in_find_links() { # prints the version, such as 2.13.0+cpu; empty where there is none
  local place
  for place in ${UV_FIND_LINKS//,/ }; do
    find "$place" -maxdepth 1 -name 'torch-*+cpu-*.whl' 2>/dev/null
  done | sed -E 's/.*torch-([^-]+)-.*/\1/' | sort -V | tail -n 1
}

if [ -x "$VENV/bin/python" ] && [ -f "$STAMP" ] && [ "$(checksum)" = "$(cat "$STAMP")" ]; then
  exit 0
fi

uv=$(find_uv)
if ! is_supported_python "$VENV/bin/python"; then
  python=$(find_python "$uv")
  say "making $VENV with $("$python" --version)"
  rm -rf "$VENV"
  if [ -n "$uv" ]; then
    "$uv" venv --quiet --python "$python" "$VENV"
  else
    "$python" -m venv "$VENV" ||
      fail "$python cannot make virtual environments: install its venv module (python3-venv on Debian and Ubuntu) or uv"
  fi
else
  python=$VENV/bin/python
fi
if [ -z "$uv" ]; then
  say "installing uv into $VENV"
  "$VENV/bin/python" -m pip --version >/dev/null 2>&1 || "$VENV/bin/python" -m ensurepip >/dev/null
  "$VENV/bin/python" -m pip install --quiet --disable-pip-version-check "uv>=$MINIMUM_UV"
  uv=$VENV/bin/uv
fi

take_over_pip_settings "$python"
torch_options=(--torch-backend=cpu)
torch=$(cpu_torch_in_find_links)
if [ -n "$torch" ]; then
  say "torch $torch comes from find-links"
  exact=$(mktemp)
  trap 'rm -f "$exact"' EXIT
  printf 'torch==%s\n' "$torch" >"$exact" # or the index's CUDA build would do as well
  torch_options=(--constraints "$exact")
fi

say "installing the packages and the development tools"
UV_HTTP_TIMEOUT=${UV_HTTP_TIMEOUT:-300} "$uv" pip install --python "$VENV/bin/python" \
  --constraints tools/hashes.txt --build-constraints tools/hashes.txt "${torch_options[@]}" --group dev --group docs --group examples \
  --reinstall-package cryptable-kernel packages/kernel \
  --editable packages/protocol --editable packages/client --editable 'packages/engine[bootstrapping,squares]' \
  --editable 'packages/server[bootstrapping,squares,otel,ray,s3,web]' --editable 'packages/dev[demo,networks,neural,squares]'

"$VENV/bin/python" - <<'PYTHON' || fail "torch is a CUDA build, which this project never installs: remove $VENV and run \`make setup\` again"
import sys
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

# Reading the file is enough, and saves the seconds that importing torch takes.
values = {}
exec((Path(find_spec("torch").submodule_search_locations[0]) / "version.py").read_text(), values)
print(f"setup: Python {sys.version.split()[0]}, torch {version('torch')}, concrete-python {version('concrete-python')}", file=sys.stderr)
sys.exit(values["cuda"] is not None)
PYTHON
"$VENV/bin/python" -c 'import cryptable_kernel as k; print("setup: kernel:", k.open_kernel("auto").path)' >&2 2>/dev/null ||
  say "there is no C compiler (cc) on PATH, so levelled models are evaluated by NumPy, about five times more slowly"
command -v ld >/dev/null ||
  say "there is no linker (ld) on PATH, which compiling a model needs: install binutils (macOS: xcode-select --install)"
checksum >"$STAMP"
