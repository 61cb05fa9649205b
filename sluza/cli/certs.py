"""`sluza certs …`: certificates and keys for KSeF, and those of the drop-point's own TLS."""

import asyncio
import re
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import click

from agent.enrolment import Enrolment
from agent.entrance import entrance
from agent.ksef.transport import Transport
from agent.renewal import described, ends
from agent.revocation import Reason, revoke
from agent.trial import prove_login
from certs import credentials, keyring, kod2, rotation, tls
from certs.credentials import FROM_KSEF, Known
from certs.fitness import OTHER, refuse_other_type, refuse_out_of_time
from certs.reading import Credential, Source, Use, certificate_file, pair, secret, secret_line
from certs.safe import Request
from sluza import keyroom, options
from sluza.certs_checks import Check, Mark, at_ksef, of_files, of_tls
from sluza.console import done, emit, moment, out, plain, table
from sluza.keyroom import Room
from spool.backup.contents import TLS
from spool.clock import system_clock
from spool.domain.errors import ConfigError, CredentialRefused
from spool.domain.exits import Exit
from spool.domain.municipality import Context

_USE = click.option(
    "--use", "use", required=True, type=click.Choice([u.value for u in Use]),
    help="Do czego: auth – logowanie (typ 1), offline – KOD II (typ 2).",
)  # fmt: skip
_CONTEXT = click.option("--context", "only", metavar="KONTEKST", help="Kontekst KSeF; zbędne, gdy jest tylko jeden.")
_NOT_USED = (
    " Nie jest jeszcze używany, bo ten z konfiguracji jest ważny dłużej; aby go używać, proszę usunąć pole {use}_cert."
)
_REASONS = {"superseded": Reason.SUPERSEDED, "key-compromise": Reason.KEY_COMPROMISE, "unspecified": Reason.UNSPECIFIED}
_SERIAL = re.compile(r"[0-9A-F]{16}")
_FILE = click.Path(dir_okay=False, exists=True, path_type=Path)
_COLOURS = {Mark.OK: "[green]w porządku[/]", Mark.LOOK: "[yellow]do załatwienia[/]", Mark.BAD: "[red]źle[/]"}


@click.group()
def certs() -> None:
    """Certyfikaty KSeF (logowanie, KOD II) i TLS punktu zrzutu."""


@certs.command("list")
@options.verb
def list_certs(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Czym loguje się i podpisuje każdy kontekst, gdzie to leży i do kiedy jest ważne."""
    room = keyroom.enter(options.chosen(config, own_config))
    contexts = room.agent.shared.municipality.contexts.values()
    known = [one for context in contexts for one in credentials.look(context)] + room.of_tls()
    pending = [(context, one) for context in contexts for one in _pending(room, context)]
    if as_json:
        emit([_as_dict(room, one) for one in known] + [_request_as_dict(c, one) for c, one in pending])
        return
    now = room.clock()
    table(
        "Certyfikaty i tokeny KSeF",
        ("Kontekst", "Do czego", "Ważność", "Numer i podmiot", "Gdzie"),
        [(plain(one.context or "–"), one.role, _until(one, now), _whose(one), plain(one.place)) for one in known],
    )
    for context, request in pending:
        out.print(
            f"[yellow]Wniosek w toku[/] ({plain(context.id)}, {request.use}) od {plain(request.began)}; dokończy go: "
            f"sluza certs enrol --context {plain(context.id)} --use {request.use}"
        )


def _pending(room: Room, context: Context) -> list[Request]:
    found = [room.safe(context).request(use) for use in Use]
    return [one for one in found if one is not None]


def _until(known: Known, now: Any) -> str:
    if known.expiry is None:
        return f"[red]{plain(known.problem)}[/]"
    if known.replaced:
        return f"[yellow]zastąpiony, ważny do {moment(known.expiry.until)}[/]"
    if not known.used:
        return "nieużywany"
    until = moment(known.expiry.until) if known.expiry.until else "bezterminowo"
    colour = {"fine": "green", "look": "yellow", "alarm": "red"}[known.expiry.tone(now)]
    return f"[{colour}]{until}[/]"


def _whose(known: Known) -> str:
    return plain(f"{known.expiry.serial} {known.expiry.subject}".strip()) if known.expiry else ""


def _as_dict(room: Room, known: Known) -> dict[str, Any]:
    expiry, now = known.expiry, room.clock()
    return {
        "context": known.context,
        "use": known.role,
        "used": known.used,
        "replaced": known.replaced,
        "place": known.place,
        "subject": expiry.subject if expiry else "",
        "serial": expiry.serial if expiry else "",
        "key": known.key,
        "since": expiry.since.isoformat() if expiry else None,
        "until": expiry.until.isoformat() if expiry and expiry.until else None,
        "days_left": expiry.days_left(now) if expiry else None,
        "tone": expiry.tone(now) if expiry else "alarm",
        "problem": known.problem,
        "cure": known.cure,
    }


def _request_as_dict(context: Context, request: Request) -> dict[str, Any]:
    told = {"name": request.name, "began": request.began, "reference": request.reference, "serial": request.serial}
    return {"context": context.id, "use": request.use.value, "request": told}


@certs.command("check")
@_CONTEXT
@click.option("--no-login", is_flag=True, help="Tylko pliki i daty; KSeF nie jest pytany.")
@options.verb
def check(config: str | None, own_config: str | None, only: str | None, no_login: bool, as_json: bool) -> None:
    """Sprawdź pliki, ważność, logowanie i uprawnienia (InvoiceWrite, InvoiceRead) każdego kontekstu."""
    room = keyroom.enter(options.chosen(config, own_config))
    contexts = [room.context(only)] if only else list(room.agent.shared.municipality.contexts.values())
    found = [one for context in contexts for one in of_files(room, context)]
    found += [] if only else of_tls(room)
    if not no_login:

        async def ask(transport: Transport) -> list[Check]:
            return [one for context in contexts for one in await at_ksef(room, context, transport)]

        found += asyncio.run(keyroom.online(room, ask))
    ok = all(one.mark is not Mark.BAD for one in found)
    if as_json:
        emit({"ok": ok, "checks": [vars(one) | {"mark": one.mark.value} for one in found]})
    else:
        _show(found)
    if not ok:
        raise SystemExit(Exit.REFUSED)


def _show(found: Sequence[Check]) -> None:
    for one in found:
        out.print(f"{_COLOURS[one.mark]}  {plain(one.context or 'punkt zrzutu')} · {plain(one.use)}: {plain(one.text)}")
        if one.cure and one.mark is not Mark.OK:
            out.print(f"    → {plain(one.cure)}")


@certs.command("import")
@click.argument("file", metavar="PLIK", type=_FILE)
@_CONTEXT
@_USE
@click.option("--key", "key_file", type=_FILE, metavar="PLIK", help="Klucz prywatny, gdy nie ma go w PLIK-u.")
@click.option("--password-file", type=_FILE, metavar="PLIK", help="Hasło klucza albo pliku .p12 (pierwszy wiersz).")
@click.option("--no-login", is_flag=True, help="Nie loguj się na próbę do KSeF.")
@options.name
@options.verb
def import_pair(
    config: str | None,
    own_config: str | None,
    file: Path,
    only: str | None,
    use: str,
    key_file: Path | None,
    password_file: Path | None,
    no_login: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """Zainstaluj certyfikat z kluczem: PEM, DER albo PKCS#12 (.p12, .pfx).

    Poprzednia para działa, dopóki nowa się nie sprawdzi (dla auth: zaloguje do KSeF), i zostaje obok.
    """
    room, wanted = keyroom.enter(options.chosen(config, own_config)), Use(use)
    context = room.context(only)
    with keyroom.refusing(as_json):
        offered = _offered(file, key_file, password_file)
        refuse_other_type(offered, wanted, f"plik {file}", f"--use {OTHER[wanted]}")
        refuse_out_of_time(offered, room.clock(), f"plik {file}")
        _refuse_outlived(context, wanted, offered)
        proven = wanted is Use.AUTH and not no_login
        with room.alone(context):
            if proven:
                asyncio.run(keyroom.online(room, lambda t: prove_login(t, context, room.clock, offered)))
            room.safe(context).install(wanted, offered)
    _installed(room, context, wanted, offered, name, proven=proven, as_json=as_json)


def _offered(file: Path, key_file: Path | None, password_file: Path | None) -> Credential:
    key_place = f"plik {key_file or file}"
    source = Source(
        f"plik {file}", key_place, f"pliki {file} i {key_file}" if key_file else f"plik {file}",
        "opcję --key PLIK", "opcja --password-file PLIK",
    )  # fmt: skip
    password = secret_line(password_file, "hasło") if password_file else None
    cert = certificate_file(file, "certyfikat", key_apart=key_file is not None)
    return pair(cert, secret(key_file, "klucz") if key_file else None, password, source)


def _refuse_outlived(context: Context, use: Use, offered: Credential) -> None:
    """One that is named in the configuration and lasts longer would go on being used."""
    safe = keyring.safe_of(context)
    own = str(safe.path(use)) if safe else ""
    for place, present in keyring.found(context, use):
        if place != own and ends(present) >= ends(offered) and present.certificate != offered.certificate:
            raise CredentialRefused(
                "cert_outlived",
                f"Certyfikat z konfiguracji ({place}) jest ważny dłużej i to on byłby używany.",
                f"Proszę usunąć z konfiguracji pole {use}_cert i powtórzyć polecenie.",
            )


def _installed(
    room: Room, context: Context, use: Use, credential: Credential, who: str | None, *, proven: bool, as_json: bool
) -> None:
    """Said to the person and written into the history."""
    room.note(context, f"Zainstalowano certyfikat. {described(credential, use)}", who, proven=proven)
    path = room.safe(context).path(use)
    text = f"Zainstalowano certyfikat kontekstu „{context.id}” ({use}), ważny do {moment(ends(credential))}: {path}."
    present = keyring.authentication(context) if use is Use.AUTH else keyring.offline(context)
    used = present is not None and present.certificate == credential.certificate
    text += " Działające programy używają go od razu." if used else _NOT_USED.format(use=use)
    text += " Logowanie do KSeF udane." if proven else ""
    done(
        as_json, text, context=context.id, use=use.value, file=str(path), proven=proven, used=used,
        serial=kod2.serial(credential), until=ends(credential).isoformat(),
    )  # fmt: skip


@certs.command("enrol")
@_CONTEXT
@_USE
@options.name
@options.verb
def enrol(
    config: str | None, own_config: str | None, only: str | None, use: str, name: str | None, as_json: bool
) -> None:
    """Zamów w KSeF nowy certyfikat i zainstaluj go; potrzebny jest certyfikat, który jeszcze loguje.

    Przerwane polecenie dokończy następne: klucz i numer wniosku są zapisane. Poprzedni certyfikat działa do końca.
    """
    room, wanted = keyroom.enter(options.chosen(config, own_config)), Use(use)
    context = room.context(only)

    async def ask(transport: Transport) -> Credential:
        way = entrance(transport, context, room.clock, credential=lambda: present)
        with room.counter(context, transport) as counter:
            return await Enrolment(counter, way, wanted).run()

    with keyroom.refusing(as_json):
        present = keyring.authentication(context)
        if present is None:
            raise CredentialRefused(
                "cert_needed",
                "KSeF wydaje certyfikaty tylko temu, kto zalogował się certyfikatem; token nie wystarcza.",
                f"Pierwszy certyfikat typu 1 wydaje {FROM_KSEF}; instaluje go: sluza certs import PLIK --context "
                f"{context.id} --use auth.",
            )
        refuse_out_of_time(present, room.clock(), "którym kontekst się loguje")
        with room.alone(context):
            credential = asyncio.run(keyroom.online(room, ask))
    _installed(room, context, wanted, credential, name, proven=wanted is Use.AUTH, as_json=as_json)


@certs.command("seal")
@options.verb
def seal(config: str | None, own_config: str | None, as_json: bool) -> None:
    """Zaszyfruj obecnym hasłem z [keys] klucze, które leżą otwarte albo mają jeszcze poprzednie hasło."""
    room = keyroom.enter(options.chosen(config, own_config))
    changed: list[str] = []
    contexts = list(room.agent.shared.municipality.contexts.values())
    with keyroom.refusing(as_json):
        for context in contexts:
            with room.alone(context):
                changed += [str(path) for path in room.safe(context).seal()]
    text = "Zaszyfrowano: " + ", ".join(changed) if changed else "Nie ma czego szyfrować albo nie podano hasła kluczy."
    if any(context.safe_previous_file for context in contexts):
        text += (
            " Wszystkie klucze otwiera teraz obecne hasło: po usunięciu pola keys.previous_password_file i ponownym "
            "uruchomieniu poprzednie nie jest tu już potrzebne. Otwiera jeszcze dawne kopie zapasowe kluczy."
        )
    done(as_json, text, files=changed)


@certs.command("revoke")
@click.argument("serial", metavar="NUMER")
@_CONTEXT
@click.option(
    "--reason",
    "why",
    type=click.Choice(list(_REASONS)),
    default="superseded",
    show_default=True,
    help="superseded – zastąpiony; key-compromise – ktoś mógł poznać klucz; unspecified – inny powód.",
)
@options.name
@options.verb
def revoke_one(
    config: str | None, own_config: str | None, serial: str, only: str | None, why: str, name: str | None, as_json: bool
) -> None:
    """Unieważnij w KSeF certyfikat o tym numerze (sluza certs list); tego nie da się cofnąć.

    Certyfikat, którego używa któryś kontekst, trzeba najpierw zastąpić.
    """  # fmt: skip
    room, reason = keyroom.enter(options.chosen(config, own_config)), _REASONS[why]
    context = room.context(only)
    serial = serial.upper().replace(":", "")

    async def ask(transport: Transport) -> bool:
        return await revoke(entrance(transport, context, room.clock).certificates, serial, reason)

    with keyroom.refusing(as_json):
        _refuse_unreadable(serial)
        with room.alone(context):
            room.refuse_in_use(serial)
            waiting = _left_unsigned(room, serial, reason)
            ended_now = asyncio.run(keyroom.online(room, ask))
            how = f"Unieważniono certyfikat ({reason})." if ended_now else "Certyfikat był już unieważniony."
            room.revoked(context, serial, f"{how} Nr {serial}.", name)
    text = f"{how} Nr {serial}."
    if waiting:
        text += f" Faktury, których KSeF jeszcze nie ma, a których KOD II jest już nieważny: {waiting}."
    done(as_json, text, context=context.id, serial=serial, reason=reason.value, revoked_now=ended_now, unsent=waiting)


def _refuse_unreadable(serial: str) -> None:
    if not _SERIAL.fullmatch(serial):
        raise CredentialRefused(
            "cert_unknown", f"To nie jest numer certyfikatu KSeF: {serial}.", "Numery podaje sluza certs list."
        )


def _left_unsigned(room: Room, serial: str, reason: Reason) -> int:
    """How many invoices lose the proof of who issued them; refused unless somebody else may have the key."""
    waiting = room.unsent_with(serial)
    if waiting and reason is not Reason.KEY_COMPROMISE:
        raise CredentialRefused(
            "cert_on_invoices",
            f"Tym certyfikatem podpisano KOD II faktur, których KSeF jeszcze nie ma: {waiting}. Po unieważnieniu "
            "nabywca nie potwierdzi, kto je wystawił.",
            "Proszę powtórzyć, gdy dostaną numer; gdy ktoś mógł poznać klucz: --reason key-compromise.",
        )
    return waiting


@certs.command("rotate-tls")
@click.option("--days", type=click.IntRange(1, 365), default=90, show_default=True, help="Ile dni mają jednostki.")
@click.option("--now", "at_once", is_flag=True, help="Dokończ wymianę od razu: wszystkie jednostki mają nowy ca.pem.")
@click.option("--cancel", is_flag=True, help="Odwołaj wymianę; zostaje obecny urząd.")
@options.verb
def rotate_tls(
    config: str | None, own_config: str | None, days: int, at_once: bool, cancel: bool, as_json: bool
) -> None:
    """Wymień urząd certyfikacji punktu zrzutu, z czasem na przekazanie jednostkom nowego ca.pem.

    Od razu plik ca.pem zawiera oba urzędy; po upływie tego czasu bramka sama przechodzi na nowy.
    """
    room = keyroom.enter(options.chosen(config, own_config))
    directory, now = room.agent.shared.paths.state / TLS, system_clock()
    file = str(directory / rotation.CA)
    with keyroom.as_owner(room):
        if not (at_once or cancel):
            at = now + timedelta(days=days)
            tls.rotate(directory, now, at)
            text = (
                f"Plik {file} zawiera teraz oba urzędy: proszę przekazać go jednostkom. Bramka przejdzie na nowy "
                f"{moment(at)}; wcześniej: sluza certs rotate-tls --now."
            )
            done(as_json, text, file=file, exchange_at=at.isoformat())
            return
        if rotation.planned(directory) is None:
            raise ConfigError("Żadna wymiana urzędu certyfikacji nie trwa.", "Rozpoczyna ją: sluza certs rotate-tls.")
        if cancel:
            rotation.cancel(directory)
            done(as_json, f"Wymianę odwołano; {file} zawiera tylko obecny urząd.", file=file, exchange_at=None)
            return
        rotation.put_forward(directory, now)
    text = "Bramka przejdzie na nowy urząd w ciągu 6 godzin, a od razu po: systemctl restart sluza."
    done(as_json, text, file=file, exchange_at=now.isoformat())
