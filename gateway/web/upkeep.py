"""What needs somebody within days rather than hours: certificates, refusals left alone, guessed passwords.

Pure; `gateway.web.snapshot` fills `Upkeep`, `gateway.web.health` shows what is found.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from certs.credentials import Known
from gateway.web.finding import Finding, Level
from gateway.web.languages import say
from gateway.web.words import DAYS, WAITS, counted, day, moment, plural
from spool.domain.calendar import WARSAW
from spool.domain.ledger import RENEWAL, Condition
from spool.papers import Open

MOST = 1000
"""So many neglected refusals are counted."""
_NAMED = 10


@dataclass(frozen=True)
class Upkeep:
    """`unmended` refusals are `unmended_days` old or older; `guessed` are accounts with wrong passwords just now;
    `papers` are purchases outside KSeF that somebody has to see to."""

    known: Sequence[Known] = ()
    unmended: int = 0
    unmended_days: int = 0
    guessed: Sequence[str] = ()
    papers: Open = Open()  # noqa: RUF009 - frozen


def upkeep(seen: Upkeep, now: datetime) -> list[Finding]:
    """The findings, in the order of the fields."""
    found = [finding for known in seen.known if known.used and (finding := _ending(known, now)) is not None]
    if seen.unmended:
        many = counted(seen.unmended)
        if seen.unmended >= MOST:
            many = say("Co najmniej {many}", many=many)
        text = say(
            "{many} {wait} na poprawę od co najmniej {days} dni: odrzucono, a pod tym samym numerem nic nie przyszło. "
            "Proszę przypomnieć jednostkom: sluza queue list --state REFUSED.",
            many=many, wait=plural(seen.unmended, WAITS), days=seen.unmended_days,
        )  # fmt: skip
        found.append(Finding(Level.LOOK, text, "unmended"))
    for login in seen.guessed:
        text = say(
            "Na konto „{login}” wielokrotnie podano błędne hasło. Jeśli to nie ta osoba: sluza user disable {login}.",
            login=login,
        )
        found.append(Finding(Level.LOOK, text, f"passwords:{login}"))
    return found + _papers(seen.papers)


def _papers(found: Open) -> list[Finding]:
    """Each kind once; one more entry is told again."""
    return [
        Finding(Level.LOOK, _entries(text, ids), code, len(ids))
        for code, ids, text in (
            (
                "papers_contact",
                found.contact,
                say("Zakupy offline, których nie ma w KSeF: czas zwrócić się do sprzedawcy."),
            ),
            ("papers_alike", found.alike, say("Zakupy spoza KSeF, które powtarza faktura z KSeF: proszę porównać.")),
            (
                "papers_elsewhere",
                found.elsewhere,
                say("Potwierdzenia, których faktura nie trafiła do tej samej jednostki."),
            ),
        )
        if ids
    ]


def _entries(text: str, ids: Sequence[int]) -> str:
    named = ", ".join(map(str, ids[:_NAMED]))
    if len(ids) > _NAMED:
        named = say("{numbers} i {more} innych", numbers=named, more=len(ids) - _NAMED)
    return say("{sentence} Wpisy: {numbers} (sluza received paper show NR).", sentence=text, numbers=named)


def not_renewed(conditions: Sequence[Condition], now: datetime) -> list[Finding]:
    """Certificates that the agent could not renew; the old one goes on, and its countdown is told beside."""
    found = []
    for condition in conditions:
        if condition.name.startswith(RENEWAL):
            name, use = condition.context, condition.name.removeprefix(RENEWAL)
            since, value = moment(condition.at, now), condition.value
            why = " ".join(str(part) for part in (value.get("reason"), value.get("hint")) if part)
            text = say(
                "Nie udało się odnowić certyfikatu „{use}” kontekstu „{name}” ({since}). {kept} Śluza ponawia co "
                "godzinę; ręcznie: sluza certs enrol --context {name} --use {use}.",
                use=use, name=name, since=since, kept=why,
            )  # fmt: skip
            found.append(Finding(Level.LOOK, text, f"{RENEWAL}{name}:{use}", kept=why))
    return found


def _ending(known: Known, now: datetime) -> Finding | None:
    """A certificate, or the permission to use tokens, that ends soon or has ended."""
    expiry = known.expiry
    if expiry is None or expiry.until is None or not (grade := expiry.grade(now)):
        return None
    left, until = expiry.days_left(now) or 0, day(expiry.until.astimezone(WARSAW))
    when = say("skończył się {day}", day=until)
    if now < expiry.until:
        when = say("kończy się {day} (za {left})", day=until, left=counted(left, DAYS))
    purpose, cure = say(expiry.purpose), known.cure
    what = f"{purpose[0].upper()}{purpose[1:]}"
    text = say("{what}: ważność {when}. {kept}", what=what, when=when, kept=cure)
    if known.context:
        text = say(
            "{what}, kontekst „{name}”: ważność {when}. {kept}", what=what, name=known.context, when=when, kept=cure
        )
    level = Level.ALARM if expiry.tone(now) == "alarm" else Level.LOOK
    return Finding(level, text, f"certificate:{known.context}:{known.role}", grade, kept=cure)
