#!/usr/bin/env bash
# Śluza: set-up in one file. `--demo` and `--test` need no root; without an option it installs the appliance.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv="$here/.venv"
wheels=""
config=""
upgrade=""
with_shares=""

test_packages="poppler-utils zbar-tools chromium fonts-dejavu-core gcc libc6-dev samba smbclient"

usage() {
  cat <<'TEXT'
Śluza – bramka KSeF dla gminy

  ./install.sh --demo [opcje]   pokaz na tym komputerze, bez uprawnień administratora
                                (--once, --json, --data KATALOG, --port-base N)
  ./install.sh --test [opcje]   pełny zestaw testów (opcje trafiają do pytest)
  ./install.sh --lint           ruff i mypy
  sudo ./install.sh             instalacja: użytkownik sluza, /opt/sluza, /etc/sluza, /var/lib/sluza, usługa systemd
       --config PLIK            gotowa konfiguracja; o nic nie pyta (bez niej za pierwszym razem kilka pytań)
       --wheels KATALOG         instalacja bez internetu, z paczek w katalogu
       --upgrade                to samo; poprzednia wersja działa aż do przełączenia i wraca, gdy nowa nie wstanie
       --shares                 także foldery jednostek jako udziały Samby; gdy program już jest, tylko udziały
                                (raz włączone, zostają przy następnych instalacjach)
  sudo ./install.sh --rollback [--give-up]  wróć do poprzedniej wersji; --give-up: także gdy po aktualizacji przyjęto
                                faktury, których jej spool nie zna (ich pliki są odkładane)
  sudo ./install.sh --uninstall [--purge]   usuń program (z --purge także dane)
TEXT
}

say() { printf '%s\n' "$*" >&2; }
die() { say "Błąd: $*"; exit 1; }

system_pythons=(/usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 /usr/bin/python3)

# The first Python >= 3.11 that really runs and can make environments; shims on PATH may lie, so each is tried.
find_python() {
  local c p
  for c in "$@"; do
    [ -n "$c" ] && p=$(command -v "$c" 2>/dev/null) || continue
    "$p" -c 'import sys, venv, ensurepip, ssl; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 || continue
    "$p" -c 'import sys; print(sys.executable)' && return 0
  done
  return 1
}

need_python() {
  say "Potrzebny jest Python 3.11 lub nowszy z modułem venv. W Debianie i Ubuntu:"
  say "  sudo apt-get install -y --no-install-recommends python3 python3-venv"
  exit 1
}

# make_venv PYTHON DIRECTORY LOCK: an environment with exactly the locked packages.
make_venv() {
  local python=$1 directory=$2 lock=$3
  local offline=()
  [ -z "$wheels" ] || offline=(--no-index --find-links "$wheels")
  if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
    UV_PYTHON_DOWNLOADS=never uv venv --quiet --allow-existing --python "$python" "$directory"
    uv pip install --quiet --python "$directory/bin/python" --require-hashes "${offline[@]}" -r "$lock"
  else
    "$python" -m venv "$directory"
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes "${offline[@]}" -r "$lock"
  fi
}

# install_package DIRECTORY [-e] SOURCE: our own package into that environment, built with the locked setuptools.
install_package() {
  local directory=$1; shift
  if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
    uv pip install --quiet --python "$directory/bin/python" --no-deps --no-index --no-build-isolation "$@"
  else
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-index \
      --no-build-isolation "$@"
  fi
}

# The clone's own environment, remade only when the lock or the package description changed.
prepare_clone() {
  local python stamp
  stamp=$(cat "$here/requirements-dev.lock" "$here/requirements.lock" "$here/pyproject.toml" | sha256sum | cut -c1-16)-$1
  if [ -x "$venv/bin/sluza" ] && [ "$(cat "$venv/.sluza-stamp" 2>/dev/null)" = "$stamp" ] \
      && "$venv/bin/python" -c '' 2>/dev/null; then
    return 0
  fi
  # The system's own first, as for the appliance: what is tried here then runs there.
  python=$(find_python "${SLUZA_PYTHON:-}" "${system_pythons[@]}" python3.13 python3.12 python3.11 python3.14 python3 \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-9].*/bin/python3) || need_python
  say "Przygotowuję środowisko w $venv ($("$python" --version))…"
  rm -f "$venv/.sluza-stamp"
  # What another Python made cannot be made over by this one.
  [ "$(readlink -f "$venv/bin/python")" = "$(readlink -f "$python")" ] || rm -rf "$venv"
  make_venv "$python" "$venv" "$here/$1"
  install_package "$venv" -e "$here"
  printf '%s' "$stamp" > "$venv/.sluza-stamp"
}

is_debian() { [ -r /etc/debian_version ] && command -v apt-get >/dev/null 2>&1; }

test_system_packages() {
  local missing="" package
  is_debian || return 0
  for package in $test_packages; do
    dpkg-query -W -f='${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  local line="apt-get install -y --no-install-recommends$missing"
  if [ "$(id -u)" -ne 0 ]; then
    say "Część testów zostanie pominięta. Aby uruchomić wszystkie: sudo $line"
    return 0
  fi
  say "$line"
  apt-get -o DPkg::Lock::Timeout=300 update -qq
  # shellcheck disable=SC2086 # a list of package names
  DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends $missing >/dev/null
}

# Megabytes that /dev/shm takes and that the machine has; 0 where there is none, or where it cannot be written.
memory_mb() {
  local room available
  [ -w /dev/shm ] || { echo 0; return; }
  room=$(df -Pm /dev/shm | awk 'NR == 2 { print $4 }')
  available=$(awk '/^MemAvailable:/ { print int($2 / 1024) }' /proc/meminfo)
  echo $((room < available ? room : available))
}

action=appliance
purge=keep
give_up=""
rest=()
while [ $# -gt 0 ]; do
  case $1 in
    --demo) action=demo ;;
    --test) action=test ;;
    --lint) action=lint ;;
    --upgrade) action=appliance; upgrade=yes ;;
    --uninstall) action=uninstall ;;
    --rollback) action=rollback ;;
    --give-up) give_up=--give-up ;;
    --shares) with_shares=yes ;;
    --purge) purge=purge ;;
    --wheels) [ $# -gt 1 ] || die "--wheels wymaga katalogu"; wheels=$(cd "$2" && pwd); shift ;;
    --config) [ $# -gt 1 ] || die "--config wymaga pliku"; config=$2; shift ;;
    --help|-h) usage; exit 0 ;;
    *) rest+=("$1") ;;
  esac
  shift
done

case $action in
  demo)
    prepare_clone requirements.lock
    exec "$venv/bin/sluza" demo "${rest[@]}"
    ;;
  test)
    test_system_packages
    prepare_clone requirements-dev.lock
    cd "$here"
    # Compiled once: where this is set, every worker and each of some hundred processes compiles everything anew.
    unset PYTHONDONTWRITEBYTECODE
    # Where there is room in memory the tests' files lie there: they wait for the disk's syncs thousands of times, and
    # those that are about a disk make one of their own.
    if [ -z "${PYTEST_DEBUG_TEMPROOT:-}" ] && [ "$(memory_mb)" -ge 4096 ]; then
      export PYTEST_DEBUG_TEMPROOT=/dev/shm
    fi
    # A worker more than processors, because tests of real processes mostly wait; a module stays in one worker, because
    # its tests share their simulator. The order is that of tests/conftest.py, longest first: by number of tests, the
    # slow files with few would come last.
    exec "$venv/bin/python" -m pytest -n "$(($(nproc) + 1))" --dist loadfile --no-loadscope-reorder "${rest[@]}"
    ;;
  lint)
    prepare_clone requirements-dev.lock
    cd "$here"
    "$venv/bin/ruff" check . && "$venv/bin/ruff" format --check . && exec "$venv/bin/mypy"
    ;;
  *)
    [ ${#rest[@]} -eq 0 ] || { usage; die "nieznana opcja: ${rest[*]}"; }
    [ "$(id -u)" -eq 0 ] || die "potrzebne są uprawnienia administratora: sudo ./install.sh (pokaz: ./install.sh --demo)"
    # shellcheck source=systemd/shares.sh
    . "$here/systemd/shares.sh"
    # shellcheck source=systemd/appliance.sh
    . "$here/systemd/appliance.sh"
    alone
    if [ "$action" = uninstall ]; then
      uninstall "$purge"
    elif [ "$action" = rollback ]; then
      roll_back "$give_up"
    elif [ -n "$with_shares" ] && [ -z "$upgrade$config$wheels" ] && [ -x /opt/sluza/current/bin/sluza ]; then
      enable_shares
    else
      install_appliance
    fi
    ;;
esac
