# shellcheck shell=bash
# The units' folders as Samba shares: sourced by install.sh (docs/decisions/0022).

smb_conf=/etc/samba/smb.conf
shares_file=/etc/samba/sluza.conf
shares_line="include = $shares_file"

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
