#!/usr/bin/env bash
# Śluza: set-up in one file. `--demo` and `--test` need no root; without an option it installs the appliance.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
venv="$here/.venv"
wheels=""
config=""
release=""
upgrade=""
with_shares=""

test_packages="poppler-utils zbar-tools chromium fonts-dejavu-core gcc libc6-dev samba smbclient"
smb_conf=/etc/samba/smb.conf
shares_file=/etc/samba/sluza.conf
shares_line="include = $shares_file"

usage() {
  cat <<'TEXT'
Śluza – bramka KSeF dla gminy

  ./install.sh --demo [opcje]   pokaz na tym komputerze, bez uprawnień administratora
                                (--once, --json, --data KATALOG, --port-base N)
  ./install.sh --test [opcje]   pełny zestaw testów (opcje trafiają do pytest)
  ./install.sh --lint           ruff i mypy
  sudo ./install.sh             instalacja: użytkownik sluza, /opt/sluza, /etc/sluza, /var/lib/sluza, usługa systemd
       --config PLIK            gotowa konfiguracja zamiast wzoru
       --wheels KATALOG         instalacja bez internetu, z paczek w katalogu
       --upgrade                to samo; poprzednia wersja działa aż do przełączenia
       --shares                 także foldery jednostek jako udziały Samby; gdy program już jest, tylko udziały
                                (raz włączone, zostają przy następnych instalacjach)
  sudo ./install.sh --uninstall [--purge]   usuń program (z --purge także dane)
TEXT
}

say() { printf '%s\n' "$*" >&2; }
die() { say "Błąd: $*"; exit 1; }

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

# install_package DIRECTORY [-e]: our own package into that environment, built with the locked setuptools.
install_package() {
  local directory=$1; shift
  if command -v uv >/dev/null 2>&1 && uv --version >/dev/null 2>&1; then
    uv pip install --quiet --python "$directory/bin/python" --no-deps --no-index --no-build-isolation "$@" "$here"
  else
    "$directory/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-index \
      --no-build-isolation "$@" "$here"
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
  python=$(find_python "${SLUZA_PYTHON:-}" python3.13 python3.12 python3.11 python3.14 python3 \
    "${PYENV_ROOT:-$HOME/.pyenv}"/versions/3.1[1-9].*/bin/python3 /usr/bin/python3) || need_python
  say "Przygotowuję środowisko w $venv ($("$python" --version))…"
  rm -f "$venv/.sluza-stamp"
  make_venv "$python" "$venv" "$here/$1"
  install_package "$venv" -e
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

install_appliance() {
  [ "$(id -u)" -eq 0 ] || die "instalacja wymaga uprawnień administratora: sudo ./install.sh (pokaz: ./install.sh --demo)"
  command -v systemctl >/dev/null 2>&1 || die "nie znaleziono systemd"
  local python
  # The system's own Python: one under somebody's home could not be run by the user sluza.
  python=$(find_python "${SLUZA_PYTHON:-}" /usr/bin/python3.13 /usr/bin/python3.12 /usr/bin/python3.11 /usr/bin/python3) \
    || need_python
  [ -z "$config" ] || [ -r "$config" ] || die "nie można odczytać pliku konfiguracji $config"

  id sluza >/dev/null 2>&1 || useradd --system --user-group --home-dir /var/lib/sluza --no-create-home \
    --shell /usr/sbin/nologin sluza
  install -d -m 0755 /opt/sluza /opt/sluza/releases
  install -d -m 0750 -o root -g sluza /etc/sluza
  install -d -m 0700 -o sluza -g sluza /var/lib/sluza
  install -d -m 0770 -o sluza -g sluza /srv/sluza

  # A release is complete before the link moves to it; an interrupted run leaves the previous one in place.
  release="/opt/sluza/releases/$(date -u +%Y%m%d%H%M%S)-$$"
  trap interrupted EXIT
  say "Instaluję program w $release…"
  make_venv "$python" "$release" "$here/requirements.lock"
  install_package "$release"
  "$release/bin/sluza" --version >/dev/null

  write_configuration
  ln -sfn "$release" /opt/sluza/current.new
  mv -T /opt/sluza/current.new /opt/sluza/current
  trap - EXIT
  ln -sfn /opt/sluza/current/bin/sluza /usr/local/bin/sluza
  install_help
  install -m 0644 "$here/systemd/sluza.service" /etc/systemd/system/sluza.service
  find /opt/sluza/releases -mindepth 1 -maxdepth 1 -type d | sort | head -n -2 | xargs -r rm -rf
  start_service
  if [ -n "$with_shares" ] || shares_are_on; then enable_shares; fi
}

# The manual page and the completions, made by the release itself; without them everything works.
install_help() {
  local share=/usr/local/share
  install -d -m 0755 $share/man/man1 $share/bash-completion/completions $share/zsh/site-functions \
    $share/fish/vendor_completions.d
  {
    "$release/bin/python" -I -m sluza.man > $share/man/man1/sluza.1 &&
    "$release/bin/sluza" completion bash > $share/bash-completion/completions/sluza &&
    "$release/bin/sluza" completion zsh > $share/zsh/site-functions/_sluza &&
    "$release/bin/sluza" completion fish > $share/fish/vendor_completions.d/sluza.fish
  } || say "Uwaga: nie udało się zapisać podręcznika (man sluza) albo podpowiedzi powłoki."
}

interrupted() {
  rm -rf "$release"
  say "Błąd: instalacja przerwana. Poprzednia wersja, jeśli była, działa bez zmian."
}

write_configuration() {
  if [ -n "$config" ]; then
    install -m 0640 -o root -g sluza "$config" /etc/sluza/sluza.toml
  elif [ ! -e /etc/sluza/sluza.toml ]; then
    install -m 0640 -o root -g sluza "$here/systemd/sluza.toml" /etc/sluza/sluza.toml
  fi
  if [ ! -e /etc/sluza/admin.token ]; then
    (umask 077; head -c 24 /dev/urandom | base64 | tr -d '+/=\n' > /etc/sluza/admin.token)
    chown root:sluza /etc/sluza/admin.token
    chmod 0640 /etc/sluza/admin.token
  fi
}

start_service() {
  local running=""
  systemctl daemon-reload 2>/dev/null && running=yes
  systemctl enable --quiet sluza.service
  if ! /opt/sluza/current/bin/sluza --config /etc/sluza/sluza.toml check-config; then
    say "Program jest zainstalowany. Proszę uzupełnić /etc/sluza/sluza.toml i uruchomić: systemctl restart sluza"
    return 0
  fi
  if [ -n "$running" ]; then
    systemctl restart sluza.service
    say "Śluza działa. Stan: sluza status, strony: http://127.0.0.1:8444/ (pierwsze konto: sluza user add LOGIN --name \"Imię Nazwisko\" --role admin)"
  else
    say "Śluza wystartuje razem z systemem (systemd teraz nie działa)."
  fi
}

shares_are_on() { [ -r "$smb_conf" ] && grep -qxF "$shares_line" "$smb_conf"; }

# The shares of the units: accounts, fragment, one line in smb.conf. Done again at every installation that has them, so
# that new units get theirs; nothing else that Samba had is changed, and no password is set twice.
enable_shares() {
  local account accounts sluza=(/opt/sluza/current/bin/sluza --config /etc/sluza/sluza.toml)
  [ "$(id -u)" -eq 0 ] || die "udziały wymagają uprawnień administratora: sudo ./install.sh --shares"
  need_samba
  if ! accounts=$("${sluza[@]}" shares --write "$shares_file.new" --users); then
    say "Udziały powstaną, gdy konfiguracja będzie poprawna: sluza check-config, potem sudo ./install.sh --shares"
    return 0
  fi
  for account in $accounts; do
    id "$account" >/dev/null 2>&1 || useradd --system --no-create-home --home-dir /nonexistent \
      --shell /usr/sbin/nologin "$account"
  done
  testparm -s "$shares_file.new" >/dev/null 2>&1 || die "Samba nie przyjmuje pliku $shares_file.new; udziały bez zmian"
  mv -T "$shares_file.new" "$shares_file"
  if ! shares_are_on; then
    cp -p "$smb_conf" "$smb_conf.przed-sluza-$(date -u +%Y%m%d%H%M%S)"
    printf '\n%s\n' "$shares_line" >> "$smb_conf"
  fi
  for account in $accounts; do give_password "$account"; done
  reload_samba
  say "Udziały są gotowe; ich listę podaje: sluza shares --json. Nowe hasło: smbpasswd KONTO"
}

need_samba() {
  if ! command -v smbd >/dev/null 2>&1; then
    is_debian || die "nie znaleziono Samby (smbd); proszę ją zainstalować i powtórzyć: sudo ./install.sh --shares"
    say "apt-get install -y --no-install-recommends samba"
    apt-get -o DPkg::Lock::Timeout=300 update -qq
    DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=300 install -y -qq --no-install-recommends samba >/dev/null
  fi
  [ -e "$smb_conf" ] || die "nie ma pliku $smb_conf; proszę przywrócić konfigurację Samby"
}

# A password for an account that Samba does not know yet; shown once, kept nowhere.
give_password() {
  local password
  pdbedit -u "$1" >/dev/null 2>&1 && return 0
  password=$(head -c 48 /dev/urandom | base64 | tr -d '+/=\n' | cut -c1-20)
  printf '%s\n%s\n' "$password" "$password" | smbpasswd -s -a "$1" >/dev/null
  printf 'Konto %s, hasło (pokazywane tylko raz): %s\n' "$1" "$password"
}

# A running Samba reads its configuration again; open files stay open.
reload_samba() {
  smbcontrol smbd reload-config >/dev/null 2>&1 && return 0
  systemctl enable --now --quiet smbd.service 2>/dev/null || say "Samba teraz nie działa: systemctl enable --now smbd"
}

disable_shares() {
  if shares_are_on; then
    sed -i "\\|^$shares_line\$|d" "$smb_conf"
    smbcontrol smbd reload-config >/dev/null 2>&1 || true
    say "Wyłączono udziały. Konta jednostek zostały: pdbedit -x -u KONTO i userdel KONTO usuwają je."
  fi
  rm -f "$shares_file"
}

uninstall() {
  [ "$(id -u)" -eq 0 ] || die "odinstalowanie wymaga uprawnień administratora"
  disable_shares
  systemctl disable --now --quiet sluza.service 2>/dev/null || true
  rm -f /etc/systemd/system/sluza.service /usr/local/bin/sluza /usr/local/share/man/man1/sluza.1 \
    /usr/local/share/bash-completion/completions/sluza /usr/local/share/zsh/site-functions/_sluza \
    /usr/local/share/fish/vendor_completions.d/sluza.fish
  rm -rf /opt/sluza
  systemctl daemon-reload 2>/dev/null || true
  if [ "$1" = purge ]; then
    rm -rf /etc/sluza /var/lib/sluza /var/log/sluza /srv/sluza
    userdel sluza 2>/dev/null || true
    say "Usunięto program i wszystkie dane."
  else
    say "Usunięto program. Dane zostały w /var/lib/sluza i /srv/sluza, konfiguracja w /etc/sluza."
  fi
}

action=appliance
purge=keep
rest=()
while [ $# -gt 0 ]; do
  case $1 in
    --demo) action=demo ;;
    --test) action=test ;;
    --lint) action=lint ;;
    --upgrade) action=appliance; upgrade=yes ;;
    --uninstall) action=uninstall ;;
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
    # One worker for each processor; a module stays in one worker, because its tests share their simulator. The order
    # is that of tests/conftest.py, longest first: by number of tests, the slow files with few would come last.
    exec "$venv/bin/python" -m pytest -n auto --dist loadfile --no-loadscope-reorder "${rest[@]}"
    ;;
  lint)
    prepare_clone requirements-dev.lock
    cd "$here"
    "$venv/bin/ruff" check . && "$venv/bin/ruff" format --check . && exec "$venv/bin/mypy"
    ;;
  *)
    [ ${#rest[@]} -eq 0 ] || { usage; die "nieznana opcja: ${rest[*]}"; }
    if [ "$action" = uninstall ]; then
      uninstall "$purge"
    elif [ -n "$with_shares" ] && [ -z "$upgrade$config$wheels" ] && [ -x /opt/sluza/current/bin/sluza ]; then
      enable_shares
    else
      install_appliance
    fi
    ;;
esac
