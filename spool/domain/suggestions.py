"""For whom a purchase in the central tray may be, each guess with its reason (jst.md P2 step 5). Pure; people decide.

identifier   NIP or IDWew of a unit anywhere in the text of the invoice, or as its buyer
same_mark    an earlier invoice of the supplier with the same contract, order, customer number or address
known_by     a text of the unit's register (`known_by`): address, contract number, customer number
other_role   a unit in a role that does not decide, or one of several in a deciding one
name         the unit's name in the text
people       what people decided for this supplier before
supplier     where the supplier's invoices went by themselves
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from spool.domain.clues import Clues, mentions, normal
from spool.domain.document import Facts
from spool.domain.municipality import Municipality, Unit
from spool.domain.routing import Register, unit_as_buyer, units_of

_WEIGHTS = {"identifier": 100, "same_mark": 90, "known_by": 80, "other_role": 70, "name": 60, "people": 50,
            "supplier": 30}  # fmt: skip
_BY_A_PERSON = 5
_AHEAD = 15
"""How much more must speak for one unit than for any other before it is named as the one."""
_NONE = Clues()


@dataclass(frozen=True)
class Earlier:
    """An earlier invoice of the same supplier, and where it is now; `by_person` when somebody assigned it."""

    unit: str
    by_person: bool
    facts: Facts


@dataclass(frozen=True)
class Suggestion:
    """One reason for one unit; `source` is the word of the table above."""

    unit: str
    source: str
    why: str
    weight: int

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"unit": self.unit, "source": self.source, "why": self.why}


def suggest(
    facts: Facts, municipality: Municipality, register: Register, earlier: Sequence[Earlier]
) -> tuple[Suggestion, ...]:
    """Every reason found, the unit with the best reasons first; empty where nothing points anywhere."""
    known = [e for e in earlier if e.unit in municipality.units]
    found = [
        *_by_unit(facts, municipality),
        *_by_role(facts, municipality, register),
        *_by_mark(facts, known),
        *_by_habit(known),
    ]
    strength = Counter[str]()
    for one in found:
        strength[one.unit] += one.weight
    return tuple(sorted(found, key=lambda s: (-strength[s.unit], s.unit, -s.weight)))


def best(found: Sequence[Suggestion]) -> str | None:
    """The one unit that the reasons agree on; None when another is nearly as likely, or mere habit speaks for it."""
    strength = Counter[str]()
    for one in found:
        if one.source != "supplier":
            strength[one.unit] += one.weight
    ranked = [*strength.most_common(2), ("", 0), ("", 0)]
    return ranked[0][0] or None if ranked[0][1] - ranked[1][1] >= _AHEAD else None


def _by_unit(facts: Facts, municipality: Municipality) -> Iterable[Suggestion]:
    """What the invoice says in words, laid beside what is known of each unit."""
    texts = list(_texts(facts))
    buyer = unit_as_buyer(facts, municipality)
    for unit in municipality.units.values():
        if buyer is not None and buyer.id == unit.id:
            yield _reason(unit.id, "identifier", f"NIP jednostki ({unit.nip}) podano jako NIP nabywcy")
        for identifier in (unit.nip, unit.idwew):
            if identifier and (place := _where(texts, identifier)):
                yield _reason(unit.id, "identifier", f"{identifier} w polu: {place}")
        for text in unit.known_by:
            if place := _where(texts, text):
                yield _reason(unit.id, "known_by", f"„{text}” w polu: {place}")
        if place := _by_name(texts, unit):
            yield _reason(unit.id, "name", f"nazwa jednostki w polu: {place}")


def _by_name(texts: list[tuple[str, str]], unit: Unit) -> str:
    return _where(texts, unit.name) if len(normal(unit.name).split()) > 1 else ""


def _by_role(facts: Facts, municipality: Municipality, register: Register) -> Iterable[Suggestion]:
    for party in facts.third_parties:
        for unit in sorted(units_of(party, municipality, register)):
            role = f"w roli {party.role}" if party.role else "w innej roli"
            yield _reason(unit, "other_role", f"Podmiot3 {role} wskazuje tę jednostkę")


def _by_mark(facts: Facts, earlier: Iterable[Earlier]) -> Iterable[Suggestion]:
    """The newest earlier invoice that bears the same mark; whatever a person decided about it counts more."""
    seen: set[tuple[str, str]] = set()
    marks = {(what, normal(value)): value for what, value in _marks(facts.clues or _NONE)}
    for one in earlier:
        for key in {(what, normal(value)) for what, value in _marks(one.facts.clues or _NONE)} & marks.keys():
            if (one.unit, key[1]) not in seen:
                seen.add((one.unit, key[1]))
                who = "przypisano ją ręcznie" if one.by_person else "trafiła sama"
                why = f"{key[0]} „{marks[key]}” jak na fakturze {one.facts.number}, która jest w tej jednostce ({who})"
                yield _reason(one.unit, "same_mark", why, _BY_A_PERSON if one.by_person else 0)


def _by_habit(earlier: Sequence[Earlier]) -> Iterable[Suggestion]:
    for by_person, source, how in ((True, "people", "przypisane ręcznie"), (False, "supplier", "które trafiły same")):
        counts = Counter(e.unit for e in earlier if e.by_person is by_person)
        for unit, count in counts.most_common():
            yield _reason(unit, source, f"wcześniejsze faktury tego dostawcy, {how}: {count}", min(count, 9))


def _reason(unit: str, source: str, why: str, more: int = 0) -> Suggestion:
    return Suggestion(unit, source, f"{why}.", _WEIGHTS[source] + more)


def _marks(clues: Clues) -> Iterable[tuple[str, str]]:
    """What distinguishes one recipient of a supplier from another; the address of the buyer does not."""
    for what, values in (
        ("umowa", clues.contracts), ("zamówienie", clues.orders), ("numer klienta", clues.client_numbers),
        ("adres", clues.addresses),
    ):  # fmt: skip
        yield from ((what, value) for value in values if normal(value))


def _texts(facts: Facts) -> Iterable[tuple[str, str]]:
    """Where words about the recipient may stand: the field as people call it, and its text."""
    clues = facts.clues or _NONE
    yield from _marks(clues)
    yield from (("adres nabywcy", address) for address in clues.buyer_addresses)
    yield from ((f"dodatkowy opis „{key}”", value) for key, value in clues.notes)
    yield "nazwa nabywcy", facts.buyer_name
    yield from (("nazwa innego podmiotu", party.name) for party in facts.third_parties)


def _where(texts: Iterable[tuple[str, str]], what: str) -> str:
    return next((place for place, text in texts if mentions(text, what)), "")
