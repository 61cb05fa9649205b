"""The words of an alarm: one line for the page and the subject, and the whole message. Pure; plain text only.

Whatever comes from documents or from KSeF is put on one line with control characters spelled out (faults X14).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from gateway.web.health import not_compared, said
from gateway.web.words import counted, left, one_line, plural
from spool.domain import penalties
from spool.domain.alarms import Subject
from spool.domain.calendar import WARSAW
from spool.domain.catalogue import printable
from spool.domain.document import Mode
from spool.domain.identity import RECONCILE_FIRST
from spool.domain.ladder import Call, Step
from spool.domain.ledger import Condition, Document
from spool.domain.penalties import Exposure
from spool.domain.states import LABELS, State

SHOWN = 50
"""Documents listed in a message; of more only the number is told."""


@dataclass(frozen=True)
class Facts:
    """What a message is made of: the call, the unit's name, its documents, conditions of KSeF contexts, the time."""

    call: Call
    unit_name: str
    subject: Subject
    conditions: Sequence[Condition]
    agent_silent: bool
    now: datetime

    @property
    def count(self) -> int:
        """How many documents it is about."""
        return len(self.subject.documents)


def sentence(facts: Facts) -> str:
    """One line: who, how many, until when. Dates are absolute, because it will be read later."""
    unit, count, due = printable(facts.unit_name, 120), counted(facts.count), moment(facts.call.due)
    if facts.call.step is Step.DUE:
        if {d.mode for d in facts.subject.shown} == {Mode.ONLINE}:
            return one_line(f"{unit}: minął dzień wystawienia ({due}), a bez numeru KSeF: {count}.")
        be = plural(facts.count, ("jest", "są", "jest"))
        return one_line(f"{unit}: {count} {be} po terminie przesłania do KSeF (do {due}).")
    if facts.call.step is Step.SOONER:
        text = f"{unit}: termin przesłania do KSeF jest wcześniejszy, niż można było oczekiwać: {due}, {count}."
        return one_line(text)
    return one_line(f"{unit}: {count} bez numeru KSeF, termin {due}.")


def text(facts: Facts) -> str:
    """The whole message, lines separated by \\n."""
    paragraphs = [
        [sentence(facts), *_time_left(facts)],
        _documents(facts),
        ["Co się dzieje i co zrobić:", *(f"- {line}" for line in _what_to_do(facts))],
        ["Co będzie po terminie:" if facts.call.due > facts.now else "Co dalej:", *(f"- {x}" for x in _after(facts))],
        ["Wiadomość wysłała Śluza, bramka KSeF. Stan wszystkich faktur: sluza status albo strona stanu."],
    ]
    return "\n\n".join("\n".join(lines) for lines in paragraphs) + "\n"


def moment(at: datetime) -> str:
    """`20.11.2026, godz. 23:59`, Warsaw."""
    return f"{at.astimezone(WARSAW):%d.%m.%Y, godz. %H:%M}"


def money(amount: Decimal) -> str:
    """`12 345,60 zł`, with spaces that do not break."""
    return f"{amount:,.2f}".replace(",", "\u00a0").replace(".", ",") + "\u00a0zł"


def price(exposure: Exposure) -> str:
    """What is at stake, in one sentence."""
    text = (
        f"Kara (art. 106ni ustawy o VAT) może wynieść łącznie do {money(exposure.total)}: do 100% VAT z faktury, "
        "a gdy faktura nie wykazuje VAT – do 18,7% kwoty należności."
    )
    if exposure.unpriced:
        text += f" Bez wyceny (brak VAT, waluta obca): {counted(exposure.unpriced)}."
    return text


def _time_left(facts: Facts) -> list[str]:
    if facts.call.due > facts.now:
        return [f"Zostało: {left(facts.call.due, facts.now)}."]
    return []


def _documents(facts: Facts) -> list[str]:
    """Number, state and date of each; the reason of a date once, before the documents that share it."""
    lines = [f"Jednostka: {printable(facts.unit_name, 120)} ({printable(facts.call.unit)})"]
    why = None
    for document in facts.subject.shown:
        if document.due_why != why:
            why = document.due_why
            lines += ["", f"Termin: {one_line(why, 600)}"]
        lines.append(f"- {_document(document)}")
    more = facts.count - len(facts.subject.shown)
    if more > 0:
        lines.append(f"… i jeszcze {counted(more)}; wszystkie pokaże: sluza queue list")
    return lines


def _document(document: Document) -> str:
    name = printable(document.facts.number or document.source_name or document.id, 80)
    until = f"do {moment(document.due_safe)}" if document.due_safe else "bez terminu"
    if document.ksef_number:
        return f"{name} – {until}; wysłana po terminie, numer KSeF {document.ksef_number}"
    if document.state is State.SUBMITTED:
        return f"{name} – {until}; wysłana po terminie, KSeF jeszcze nie podał wyniku"
    reason = f" ({one_line(document.reason, 600)})" if document.reason else ""
    return f"{name} – {until}; {LABELS[document.state]}{reason}"


def _what_to_do(facts: Facts) -> list[str]:
    """By what stands in the way, what needs a person first."""
    lines = []
    for condition in facts.conditions:
        if condition.name == "paused":
            why = one_line(said(condition), 600)
            lines.append(
                f"Wysyłka „{condition.context}” jest wstrzymana i bez człowieka nie ruszy. {why} "
                "Po usunięciu przyczyny: sluza queue release ID (gdy chodzi o logowanie: ponowne uruchomienie Śluzy)."
            )
        elif condition.name == RECONCILE_FIRST:
            lines.append(one_line(not_compared(condition, moment(condition.at)), 600))
    states = facts.subject.states
    lines += [f"{counted(states[s])}: {advice}" for s, advice in _ADVICE.items() if states.get(s)]
    if facts.agent_silent:
        lines.append("Program wysyłający (agent) nie działa. Proszę uruchomić usługę: systemctl restart sluza")
    for condition in facts.conditions:
        if condition.name == "reachable" and condition.value.get("ok") is False:
            lines.append(
                f"KSeF nie odpowiada („{condition.context}”) od {moment(condition.at)}. W Śluzie nie trzeba nic robić, "
                "ponawia sama. Proszę sprawdzić łącze internetowe i komunikaty o awarii KSeF (Latarnia, BIP)."
            )
    if not lines and states.keys() & _GO_BY_THEMSELVES:
        lines.append("Śluza wysyła te faktury sama i nie widzi przeszkody. Proszę sprawdzić, czy kolejka maleje.")
    if there := sum(states.get(s, 0) for s in _IN_KSEF):
        lines.append(f"{counted(there)}: już w KSeF, wysłano po terminie. Nie trzeba wysyłać ponownie.")
    return lines


_ADVICE = {
    State.HELD: "wstrzymano. Proszę sprawdzić powód (sluza queue show ID) i zwolnić: sluza queue release ID",
    State.CONFLICT: "numer zajmuje w KSeF inny dokument. Decyzja należy do człowieka: sluza queue show ID",
    State.UNKNOWN: (
        "wynik wysyłki jest nieznany. Śluza pyta KSeF i nie wyśle drugi raz bez pewności; "
        "proszę nie wystawiać tego samego ponownie"
    ),
    State.REFUSED: (
        "KSeF odrzucił fakturę wystawioną offline, a termin biegnie dalej. Jednostka musi ją poprawić i wysłać "
        "ponownie albo – gdy błąd jest techniczny – administrator wyśle korektę: sluza queue correct ID PLIK. "
        "Faktura, której nabywca nie dostał: sluza queue withdraw ID"
    ),
    State.WAITING: "czeka na to, co podano przy numerze; Śluza wyśle sama, gdy przyczyna ustanie",
}
_GO_BY_THEMSELVES = frozenset({State.QUEUED, State.SENDING})
_IN_KSEF = (State.SUBMITTED, State.ACCEPTED, State.DELIVERED)


def _after(facts: Facts) -> list[str]:
    """What the law says of a date that passes, and what it may cost."""
    modes = {d.mode for d in facts.subject.shown}
    lines = ["Opóźnienie będzie zapisane."]
    if facts.subject.states.keys() - {State.REFUSED}:
        lines = [
            "Śluza wysyła także po terminie: faktura spóźniona jest lepsza niż brakująca. Opóźnienie jest zapisane."
        ]
    if Mode.ONLINE in modes:
        lines.append(
            "Faktura online nieprzesłana w dniu wystawienia jest traktowana jak wystawiona w trybie offline24 "
            "(art. 106nda ust. 16); bezpieczny termin to następny dzień roboczy, Śluza przeliczy go sama."
        )
    if modes - {Mode.ONLINE} and facts.call.due > facts.now:
        lines.append(
            "Jeżeli w terminie zostanie ogłoszona awaria KSeF, termin się przesunie; Śluza przeliczy go po komunikacie."
        )
    if penalties.applies(facts.call.due):
        lines.append(price(penalties.exposure(facts.subject.amounts)))
    return lines
