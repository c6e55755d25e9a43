#!/bin/sh
# Makes the virtual environment and installs what requirements/constraints.txt pins; asks nothing.
#
#   sh scripts/install.sh PYTHON VENV
#
# pip's own settings hold (PIP_INDEX_URL, PIP_FIND_LINKS, pip.conf). TORCH_INDEX: where PyTorch's CPU builds
# are, for a machine without an NVIDIA GPU whose pip settings offer none. Run again after an interruption,
# it goes on with what is there; run again with nothing changed, it does nothing.
set -eu
cd "$(dirname "$0")/.."

PYTHON=$1
VENV=$2
LOCK=requirements/constraints.txt
TORCH_INDEX=${TORCH_INDEX:-https://download.pytorch.org/whl/cpu}
LOG=$VENV/install.log
STAMP=$VENV/.installed
export PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1
unset PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX PIP_REQUIRE_VIRTUALENV

say() { printf '%s\n' "install: $*"; }

fail() {
  printf '%s\n' "install: $*" >&2
  exit 1
}

pinned() { sed -n "s/^$1==\([^ ;]*\).*/\1/p" "$LOCK" | head -n 1; }

usable() { "$1" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; }

find_python() {
  for python in "$PYTHON" python3.13 python3.12 python3.11; do
    if usable "$python"; then
      return
    fi
  done
  found=$("$PYTHON" -V 2>/dev/null) || true
  fail "expected Python 3.11 or newer, found ${found:-none} as '$PYTHON': install one (Debian, Ubuntu: apt install python3) or name it: make PYTHON=/path/to/python3"
}

# What is installed depends on these alone.
fingerprint() { { cat pyproject.toml "$LOCK" scripts/install.sh; "$python" -V; } | cksum; }

# pip's output on standard input: all of it into the log, one moving line for a person who watches.
follow() {
  num_found=0
  item=
  while IFS= read -r line; do
    case $line in
      "Progress "*) ;;
      *) printf '%s\n' "$line" >>"$LOG" ;;
    esac
    [ -t 1 ] || continue
    case $line in
      *"Collecting "*) num_found=$((num_found + 1)) ;;
      *"Downloading "*)
        # shellcheck disable=SC2086 # "Downloading name (size)" in words, as below "Progress 1024 of 4096"
        set -- $line
        item=${2##*/}
        ;;
      "Progress "*)
        # shellcheck disable=SC2086
        set -- $line
        [ "$4" -gt 0 ] && printf '\r\033[K  %s packages, %s %s %%' "$num_found" "$item" "$((100 * $2 / $4))"
        continue
        ;;
      "Installing collected"*) item="putting them in place" ;;
      *) continue ;;
    esac
    printf '\r\033[K  %s packages, %.60s' "$num_found" "$item"
  done
  if [ -t 1 ]; then
    printf '\r\033[K'
  fi
}

# install WHAT ...: pip install, followed; its exit status survives the pipe in a file.
install() {
  { "$VENV/bin/python" -m pip install --progress-bar "$bar" -c "$LOCK" "$@" 2>&1 && rm -f "$VENV/.failed"; } | follow
  if [ -e "$VENV/.failed" ]; then
    grep -v '^Progress' "$LOG" | tail -n 12 >&2
    fail "pip stopped, its last lines stand above and all of them in $LOG; run it again: what is there is kept"
  fi
  : >"$VENV/.failed"
}

make_environment() {
  say "1/4 environment in $VENV with $("$python" -V) ($python)"
  if [ -d "$VENV" ] && ! "$VENV/bin/python" -c '' >/dev/null 2>&1; then
    rm -rf "$VENV"
  fi
  if "$VENV/bin/python" -m pip --version >/dev/null 2>&1; then
    return
  fi
  if "$python" -c 'import ensurepip' >/dev/null 2>&1; then
    "$python" -m venv "$VENV"
    return
  fi
  # Debian keeps ensurepip in a package of its own, python3-venv: this does without.
  "$python" -m venv --without-pip "$VENV"
  version=$(pinned pip)
  wheel=$("$VENV/bin/python" scripts/fetch_pip.py "$version" "$VENV") ||
    fail "this Python has no pip, and none could be fetched: apt install python3-venv, and run it again"
  "$VENV/bin/python" "$wheel/pip" install --quiet --no-index "$wheel"
  rm -f "$VENV"/pip-*.whl
}

# pip writes a package's RECORD last and takes one without it for installed: it must not.
forget_half_installed() {
  for package in "$VENV"/lib/python*/site-packages/*.dist-info; do
    [ -e "$package/RECORD" ] || rm -rf "$package"
  done
}

# Whether an index (pip's own settings without arguments) has the CPU build for this machine.
offers_cpu_build() {
  "$VENV/bin/python" -m pip index versions torch --retries 0 --timeout 10 "$@" 2>/dev/null |
    sed -n 's/^Available versions: //p' | tr -d ' ' | tr ',' '\n' | grep -qxF "$version+cpu"
}

install_torch() {
  version=$(pinned torch)
  if "$VENV/bin/python" -m pip show torch 2>/dev/null | grep -q "^Version: $version\(+.*\)\{0,1\}$"; then
    say "3/4 torch $version is there"
  elif [ "$(uname -s)" != Linux ] || nvidia-smi >/dev/null 2>&1; then
    say "3/4 torch $version, this machine's own build"
    install --no-deps "torch==$version"
  elif offers_cpu_build; then
    say "3/4 torch $version, CPU build (no NVIDIA GPU here)"
    install --no-deps "torch==$version+cpu"
  elif offers_cpu_build --index-url "$TORCH_INDEX"; then
    say "3/4 torch $version, CPU build (no NVIDIA GPU here) from $TORCH_INDEX"
    install --no-deps --index-url "$TORCH_INDEX" "torch==$version+cpu"
  else
    say "3/4 torch $version, CUDA build: about 3 GB to download, as neither pip's settings nor $TORCH_INDEX offer a CPU build"
    install --no-deps "torch==$version"
  fi
}

find_python
[ "$(cat "$STAMP" 2>/dev/null)" = "$(fingerprint)" ] && exit 0
make_environment
rm -f "$STAMP"
forget_half_installed
: >"$LOG"
: >"$VENV/.failed"
bar=off # the pip that a Python brings along may not know "raw"
say "2/4 pip and the build backend"
install pip hatchling editables
bar=raw
install_torch
say "4/4 everything else, as pinned in $LOCK"
install --no-build-isolation -e '.[dev,browser,containers,stores]'
rm -f "$VENV/.failed"
fingerprint >"$STAMP"
say "ready"
