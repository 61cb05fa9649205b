# shellcheck shell=bash
# The appliance: releases side by side, one link that says which runs, one unit. Sourced by install.sh.
#
# A release is complete before the link moves to it, and the link moves back when the new one does not come up
# (docs/decisions/0040). Whatever is interrupted leaves the release that ran.

opt=/opt/sluza
conf=/etc/sluza/sluza.toml
unit_file=/etc/systemd/system/sluza.service
drop_in=/etc/systemd/system/sluza.service.d/installer.conf
new_conf=/etc/sluza/.sluza.toml.new
answers=/etc/sluza/.answers.toml
run_dir=/run/sluza
release=""
built=""
switched=""
previous_before=""
conf_before=""
changed=""
patience_s=120

# One installation at a time; the lock goes with this process.
alone() {
  exec 9> /run/lock/sluza-install
  flock -n 9 || die "inna instalacja Śluzy jeszcze trwa"
}

# The program as the user that will run it: what root can read, the service perhaps cannot.
as_service() { (cd / && exec runuser -u sluza -- env -i PATH=/usr/bin:/bin LC_ALL=C.UTF-8 "$@"); }

# accepts RELEASE CONFIGURATION: does that program start with it? What is wrong goes to stderr.
accepts() { as_service "$1/bin/sluza" --config "$2" check-config >/dev/null; }

# of_config EXPRESSIONS: what the running program reads in its configuration, a line each; `c` is what check-config says.
of_config() {
  as_service $opt/current/bin/sluza --config $conf check-config --json 2>/dev/null |
    $opt/current/bin/python -I -c "import json, sys; c = json.load(sys.stdin); print(*[$1], sep='\n')"
}

systemd_runs() { [ -d /run/systemd/system ]; }

install_appliance() {
  command -v systemctl >/dev/null 2>&1 || die "nie znaleziono systemd"
  [ -z "$config" ] || [ -r "$config" ] || die "nie można odczytać pliku konfiguracji $config"
  trap unfinished EXIT
  trap 'exit 130' INT TERM HUP
  prepare_system
  build_release
  prepare_configuration
  switch_to "$release"
  install_help
  trap - EXIT
  rm -f $answers
  tidy_releases
  if systemd_runs && systemctl is-active --quiet sluza.service; then
    first_admin
    tell_addresses
  fi
  if [ -n "$with_shares" ] || shares_are_on; then enable_shares; fi
}

prepare_system() {
  id sluza >/dev/null 2>&1 || useradd --system --user-group --home-dir /var/lib/sluza --no-create-home \
    --shell /usr/sbin/nologin sluza
  install -d -m 0755 $opt $opt/releases
  install -d -m 0750 -o root -g sluza /etc/sluza
  install -d -m 0700 -o sluza -g sluza /var/lib/sluza
  install -d -m 0770 -o sluza -g sluza /srv/sluza
}

parts=(agent certs gateway sandbox sluza spool systemd requirements.lock pyproject.toml README.md)

# What a release is made of; the same again is the same release.
stamp_of() {
  {
    (cd "$here" && find "${parts[@]}" -type f -not -name '*.pyc' -print0 | LC_ALL=C sort -z | xargs -0 sha256sum)
    "$1" --version
  } | sha256sum | cut -c1-32
}

build_release() {
  local python stamp source
  # The system's own Python: one under somebody's home could not be run by the user sluza.
  python=$(find_python "${SLUZA_PYTHON:-}" "${system_pythons[@]}") || need_python
  stamp=$(stamp_of "$python")
  release=$(readlink $opt/current || true)
  if [ -n "$release" ] && [ "$(cat "$release/.complete" 2>/dev/null)" = "$stamp" ]; then
    say "Ta wersja programu jest już zainstalowana."
    return 0
  fi
  release="$opt/releases/$(date -u +%Y%m%d%H%M%S)-$$"
  built=$release
  say "Instaluję program w $release…"
  make_venv "$python" "$release" "$here/requirements.lock"
  # From a copy: the directory with the source may be a medium that cannot be written, and keeps nothing of ours.
  source=$(mktemp -d)
  (cd "$here" && tar -cf - --exclude='*.pyc' "${parts[@]}") | tar -xf - -C "$source"
  install_package "$release" "$source"
  rm -rf "$source"
  # The service cannot write here, and without this would compile everything at each start; pip has done it, uv has not.
  "$release/bin/python" -m compileall -q "$release/lib" >/dev/null || true
  "$release/bin/sluza" --version >/dev/null
  sync -f "$release"
  printf '%s' "$stamp" > "$release/.complete"
}

# A given configuration that the program does not accept changes nothing, nor does a program that does not accept the one
# that is there. Only a sample, or answers that still lack a certificate, may wait for a person.
prepare_configuration() {
  local wanted=$config
  if [ ! -e /etc/sluza/admin.token ]; then
    (umask 077; head -c 24 /dev/urandom | base64 | tr -d '+/=\n' > /etc/sluza/admin.token)
    chown root:sluza /etc/sluza/admin.token
    chmod 0640 /etc/sluza/admin.token
  fi
  if [ -z "$wanted" ] && [ ! -e $conf ]; then
    wanted=$release/share/sluza/sluza.toml
    if [ -t 0 ] && [ -t 2 ]; then ask_for_configuration; fi
  fi
  if [ -z "$wanted" ] || cmp -s "$wanted" $conf; then
    if [ -n "$built" ] && ! accepts "$release" $conf && accepts $opt/current $conf 2>/dev/null; then
      die "nowa wersja nie przyjmuje obecnej konfiguracji $conf"
    fi
    return 0
  fi
  install -m 0640 -o root -g sluza "$wanted" $new_conf
  if [ -n "$config" ] && ! accepts "$release" $new_conf; then
    die "konfiguracja $config nie jest poprawna; niczego nie zmieniono"
  fi
  if [ -e $conf ]; then
    conf_before="$conf.przed-$(date -u +%Y%m%d%H%M%S)"
    cp -p $conf "$conf_before"
  fi
  mv -T $new_conf $conf
  changed=yes
}

ask_for_configuration() {
  rm -f $answers
  if "$release/bin/python" -I -m sluza.wizard "$wanted" $answers; then
    wanted=$answers
  else
    say "Bez odpowiedzi zapisuję wzór; proszę uzupełnić $conf i powtórzyć: sudo ./install.sh"
  fi
}

# The link, the unit and what the configuration lets the service write; then a start that is waited for.
switch_to() {
  local before
  before=$(readlink $opt/current || true)
  if [ "$before" != "$1" ]; then
    switched=$before
    previous_before=$(readlink $opt/previous || true)
    [ -z "$before" ] || point previous "$before"
    point current "$1"
    changed=yes
  fi
  [ "$(readlink /usr/local/bin/sluza)" = $opt/current/bin/sluza ] || ln -sfn $opt/current/bin/sluza /usr/local/bin/sluza
  write_unit
  if ! accepts $opt/current $conf; then
    say "Program jest zainstalowany. Proszę uzupełnić $conf i powtórzyć: sudo ./install.sh"
    return 0
  fi
  if ! systemd_runs; then
    say "Śluza wystartuje razem z systemem (systemd teraz nie działa)."
  elif [ -n "$changed" ] || ! systemctl is-active --quiet sluza.service; then
    start_and_wait || die "Śluza nie wstała; przyczyna: journalctl -u sluza, /var/log/sluza"
  else
    say "Nic się nie zmieniło; Śluza działa dalej."
  fi
}

point() { ln -sfn "$2" "$opt/$1.new" && mv -T "$opt/$1.new" "$opt/$1"; }

write_unit() {
  local directory wanted=""
  if ! cmp -s $opt/current/share/sluza/sluza.service $unit_file; then
    install -m 0644 $opt/current/share/sluza/sluza.service $unit_file
    changed=yes
  fi
  # Directories of the configuration that the unit does not know. A disk for backups may be away, and is not made up.
  while read -r directory; do
    [ -d "$directory" ] || install -d -m 0770 -o sluza -g sluza "$directory"
  done < <(of_config "*c['writes']" 2>/dev/null)
  while read -r directory; do
    case $directory in None | /srv/sluza | /var/lib/sluza) continue ;; esac
    wanted+=$(printf '\nReadWritePaths="-%s"' "$directory")
  done < <(of_config "*c['writes'], c['backups']" 2>/dev/null)
  [ -z "$wanted" ] || wanted="[Service]$wanted"
  if [ "$wanted" != "$(cat $drop_in 2>/dev/null)" ]; then
    rm -f $drop_in
    [ -z "$wanted" ] || { install -d -m 0755 "${drop_in%/*}" && printf '%s\n' "$wanted" > $drop_in; }
    changed=yes
  fi
  ! systemd_runs || systemctl daemon-reload
  systemctl enable --quiet sluza.service 2>/dev/null
}

# Both programs ready, or the reason why not. A large spool may take longer than our patience: then it goes on alone.
start_and_wait() {
  local left=$patience_s
  systemctl restart sluza.service || return 1
  while [ "$left" -gt 0 ]; do
    sleep 1
    left=$((left - 1))
    systemctl is-active --quiet sluza.service || return 1
    if ready gateway && ready agent; then
      say "Śluza działa. Stan: sluza status"
      return 0
    fi
    if programs_failed; then return 1; fi
  done
  say "Śluza jeszcze startuje (duży spool); stan: sluza status"
}

# A program says its number once it is ready, and takes it back when it stops.
ready() {
  local pid rest
  read -r pid rest 2>/dev/null < "$run_dir/$1.pulse" && [ -d "/proc/$pid" ]
}

programs_failed() {
  { $opt/current/bin/supervisorctl -s "unix://$run_dir/supervisor.sock" status 2>/dev/null || true; } \
    | grep -E '^(gateway|agent) ' | grep -qvE ' (RUNNING|STARTING) '
}

# On every way out before the end. What was built goes; a link that moved goes back, with the spool that belongs to it.
unfinished() {
  trap - EXIT
  trap '' INT TERM HUP
  rm -f $new_conf $answers
  [ -z "$conf_before" ] || mv -T "$conf_before" $conf
  if [ -n "$switched" ]; then
    say "Wracam do poprzedniej wersji…"
    if back_to "$switched" ""; then
      built_goes
      if [ -n "$previous_before" ]; then point previous "$previous_before"; else rm -f $opt/previous; fi
    fi
    return 0
  fi
  [ -z "$conf_before" ] || ! systemd_runs || systemctl restart sluza.service
  if [ -n "$built" ] && [ "$(readlink $opt/current || true)" != "$built" ]; then built_goes; fi
  say "Instalacja przerwana. Poprzednia wersja, jeśli była, działa bez zmian."
}

built_goes() { [ -z "$built" ] || rm -rf "$built"; }

# back_to RELEASE [--give-up]: the programs stopped, the spool one that the release can read, then the link.
back_to() {
  ! systemd_runs || systemctl stop sluza.service
  # shellcheck disable=SC2086 # an option or nothing
  if ! as_service $opt/current/bin/sluza --config $conf undo-upgrade "$1" $2 >&2; then
    ! systemd_runs || systemctl start sluza.service
    say "Błąd: zostaje nowa wersja, bo spool nie może wrócić (powód wyżej)."
    return 1
  fi
  point previous "$(readlink $opt/current)"
  point current "$1"
  switched=""
  write_unit
  ! systemd_runs || start_and_wait
}

roll_back() {
  local before
  before=$(readlink $opt/previous || true)
  [ -n "$before" ] && [ -e "$before/.complete" ] || die "nie ma poprzedniej wersji, do której można wrócić"
  back_to "$before" "$1" || exit 1
  install_help
  say "Działa poprzednia wersja: $(/opt/sluza/current/bin/sluza --version)"
}

# Only the running release and the one before it stay; what was never finished goes first.
tidy_releases() {
  local keep
  keep=$(readlink $opt/current $opt/previous || true)
  find $opt/releases -mindepth 1 -maxdepth 1 -type d | { grep -vxF "$keep" || true; } | xargs -r rm -rf
}

# The manual page and the completions, made by the release itself; without them everything works.
install_help() {
  local share=/usr/local/share program=$opt/current/bin
  [ -n "$changed" ] || return 0
  install -d -m 0755 $share/man/man1 $share/bash-completion/completions $share/zsh/site-functions \
    $share/fish/vendor_completions.d
  {
    $program/python -I -m sluza.man > $share/man/man1/sluza.1 &&
    $program/sluza completion bash > $share/bash-completion/completions/sluza &&
    $program/sluza completion zsh > $share/zsh/site-functions/_sluza &&
    $program/sluza completion fish > $share/fish/vendor_completions.d/sluza.fish
  } || say "Uwaga: nie udało się zapisać podręcznika (man sluza) albo podpowiedzi powłoki."
}

# Whoever installs gets the first account of the pages; its password is shown once and kept nowhere.
first_admin() {
  local sluza=($opt/current/bin/sluza --config $conf)
  [ "$(as_service "${sluza[@]}" user list --json 2>/dev/null | tr -d '[:space:]')" = "[]" ] || return 0
  say "Pierwsze konto na stronach Śluzy: admin"
  as_service "${sluza[@]}" user add admin --name "Administrator Śluzy" --role admin
}

tell_addresses() {
  local drop_point pages port
  { read -r drop_point && read -r pages; } < <(of_config "c['listen'], c['pages']") || return 0
  port=${drop_point##*:}
  say "Strony dla ludzi: $pages; punkt zrzutu dla programów jednostek: $drop_point"
  case $drop_point in 127.*) return 0 ;; esac
  if command -v ufw >/dev/null 2>&1 && ufw status 2>/dev/null | grep -q '^Status: active'; then
    say "Zapora (ufw) działa. Jednostki wpuści: ufw allow from SIEĆ-JEDNOSTEK to any port $port proto tcp"
  elif command -v firewall-cmd >/dev/null 2>&1 && firewall-cmd --state >/dev/null 2>&1; then
    say "Zapora (firewalld) działa. Jednostki wpuści: firewall-cmd --permanent --add-port=$port/tcp && firewall-cmd --reload"
  elif command -v nft >/dev/null 2>&1 && nft list ruleset 2>/dev/null | grep -q 'hook input'; then
    say "Zapora (nftables) ma reguły. Jednostki wpuści reguła: tcp dport $port ip saddr SIEĆ-JEDNOSTEK accept"
  else
    say "Zapory na tym serwerze nie widać. Port $port/tcp powinien być dostępny tylko z sieci jednostek."
  fi
}

uninstall() {
  disable_shares
  systemctl disable --now --quiet sluza.service 2>/dev/null || true
  rm -f $unit_file $drop_in /usr/local/bin/sluza /usr/local/share/man/man1/sluza.1 \
    /usr/local/share/bash-completion/completions/sluza /usr/local/share/zsh/site-functions/_sluza \
    /usr/local/share/fish/vendor_completions.d/sluza.fish
  rmdir "${drop_in%/*}" 2>/dev/null || true
  rm -rf $opt
  systemctl daemon-reload 2>/dev/null || true
  if [ "$1" = purge ]; then
    rm -rf /etc/sluza /var/lib/sluza /var/log/sluza /srv/sluza
    userdel sluza 2>/dev/null || true
    say "Usunięto program i wszystkie dane."
  else
    say "Usunięto program. Dane zostały w /var/lib/sluza i /srv/sluza, konfiguracja w /etc/sluza, dzienniki w /var/log/sluza."
  fi
}
