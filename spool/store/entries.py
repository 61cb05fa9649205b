"""Entries that municipal orders prescribe: permissions, confidentiality statements, incidents (JST §6)."""

from collections.abc import Iterable
from datetime import date, datetime
from typing import Any

from spool import rows
from spool.domain.calendar import warsaw_date
from spool.domain.errors import RegisterRefused
from spool.domain.ladder import Step
from spool.domain.ledger import Outage
from spool.domain.people import Incident, Permission, Person, Statement
from spool.rows import stamp
from spool.store.people import People

PROGRAM = "Śluza (automatycznie)"
"""The reporter of what the program enters by itself."""
_ADDRESSES_A_DAY = 20
_OF_PERSON = "JOIN person p ON p.id = x.person WHERE ? IS NULL OR p.unit = ? ORDER BY x.id"


class Entries(People):
    """Added and withdrawn, never changed or removed; each with its event."""

    # -- statements --------------------------------------------------------------------------------------------

    def take_statement(self, who: Person, signed_on: date, kept_at: str, by: str, now: datetime, actor: str) -> int:
        """A signed statement was handed in; returns its number."""
        row = self._one(
            "INSERT INTO statement (person, signed_on, kept_at, taken_by) VALUES (?, ?, ?, ?) RETURNING id",
            who.id, signed_on.isoformat(), kept_at, by,
        )  # fmt: skip
        assert row is not None
        self._tell(
            who, "statement", f"Przyjęto oświadczenie o poufności z {signed_on:%d.%m.%Y}.", now, actor, row["id"]
        )
        return int(row["id"])

    def withdraw_statement(self, number: int, on: date, by: str, now: datetime, actor: str) -> None:
        """It holds no more. Raises RegisterRefused while the person has a permission, and when there is none to end."""
        found = next((s for s in self.statements() if s.id == number), None)
        others = [s for s in self.statements() if found and s.person.id == found.person.id and s.id != number]
        if found and not any(s.withdrawn_on is None for s in others) and self._permitted(found.person):
            raise RegisterRefused(
                f"{found.person.name} ma jeszcze uprawnienia, a bez oświadczenia mieć ich nie może.",
                "Najpierw proszę odebrać uprawnienia: sluza register users withdraw NR",
            )
        self._withdraw("statement", "signed_on", number, on, by)
        assert found is not None
        self._tell(found.person, "statement_withdrawn", "Odnotowano cofnięcie oświadczenia.", now, actor, number)

    def statements(self, unit: str | None = None) -> list[Statement]:
        """All, or those of a unit's people, in the order in which they were entered."""
        found = self._db.execute(f"SELECT x.*, p.unit, p.name, p.post FROM statement x {_OF_PERSON}", (unit, unit))  # noqa: S608
        return [
            Statement(
                r["id"], _person(r), date.fromisoformat(r["signed_on"]), r["kept_at"], r["taken_by"],
                _maybe(r["withdrawn_on"]), r["withdrawn_by"],
            )
            for r in found
        ]  # fmt: skip

    # -- permissions -------------------------------------------------------------------------------------------

    def grant(self, who: Person, scope: str, on: date, by: str, until: date | None, now: datetime, actor: str) -> int:
        """A person was given a permission; returns its number.

        Raises RegisterRefused without a statement signed by that day (JST rule U8), and for an end before the start.
        """
        if not any(
            s.person.id == who.id and s.withdrawn_on is None and s.signed_on <= on for s in self.statements(who.unit)
        ):
            raise RegisterRefused(
                f"{who.name}: brak oświadczenia o poufności podpisanego do {on:%d.%m.%Y}.",
                "Najpierw: sluza register statements add --person … --unit … --on DZIEŃ --by OSOBA",
            )
        if until is not None and until < on:
            raise RegisterRefused("Termin ważności jest wcześniejszy niż data nadania.")
        row = self._one(
            "INSERT INTO permission (person, scope, granted_on, granted_by, until) VALUES (?, ?, ?, ?, ?) RETURNING id",
            who.id, scope, on.isoformat(), by, until.isoformat() if until else None,
        )  # fmt: skip
        assert row is not None
        self._tell(who, "permission", f"Nadano uprawnienie: {scope}.", now, actor, row["id"])
        return int(row["id"])

    def withdraw_permission(self, number: int, on: date, by: str, now: datetime, actor: str) -> None:
        """The permission was withdrawn. Raises RegisterRefused when it was already, or there is none."""
        self._withdraw("permission", "granted_on", number, on, by)
        found = next(p for p in self.permissions() if p.id == number)
        self._tell(found.person, "permission_withdrawn", f"Odebrano uprawnienie: {found.scope}.", now, actor, number)

    def permissions(self, unit: str | None = None) -> list[Permission]:
        """All, or those of a unit's people, in the order in which they were entered."""
        found = self._db.execute(f"SELECT x.*, p.unit, p.name, p.post FROM permission x {_OF_PERSON}", (unit, unit))  # noqa: S608
        return [
            Permission(
                r["id"], _person(r), r["scope"], date.fromisoformat(r["granted_on"]), r["granted_by"],
                _maybe(r["until"]), _maybe(r["withdrawn_on"]), r["withdrawn_by"],
            )
            for r in found
        ]  # fmt: skip

    def permissions_over(self, today: date) -> int:
        """How many should have been withdrawn before today, and were not (JST rule U5)."""
        row = self._one(
            "SELECT count(*) AS n FROM permission WHERE withdrawn_on IS NULL AND until < ?", today.isoformat()
        )
        return int(row["n"]) if row else 0

    # -- incidents ---------------------------------------------------------------------------------------------

    def add_incident(
        self,
        happened: datetime,
        description: str,
        reporter: str,
        unit: str,
        now: datetime,
        actor: str,
        source: str = "",
    ) -> int | None:
        """Enter an incident; returns its number. With a `source` it is the program's, and entered once: else None."""
        row = self._one(
            """INSERT INTO incident (reported_on, happened_on, description, reporter, unit, source)
               VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING RETURNING id""",
            stamp(now), stamp(happened), description, reporter, unit, source or None,
        )  # fmt: skip
        if row is None:
            return None
        self.log(f"incident:{row['id']}", "incident", now, actor, description, {"unit": unit, "source": source})
        return int(row["id"])

    def incidents(self, unit: str | None = None) -> list[Incident]:
        """All, or those of one unit, in the order in which they were reported."""
        found = self._db.execute("SELECT * FROM incident WHERE ? IS NULL OR unit = ? ORDER BY id", (unit, unit))
        return [
            Incident(
                r["id"], rows.instant(r["reported_on"]), rows.instant(r["happened_on"]), r["description"],
                r["reporter"], r["unit"],
            )
            for r in found
        ]  # fmt: skip

    def unentered_incidents(self, outages: Iterable[Outage]) -> bool:
        """True when `note_incidents` would enter something."""
        known = "SELECT 1 FROM incident WHERE source = ?"
        if any(self._one(known, _source(outage)) is None for outage in outages):
            return True
        return self._one(f"{_UNENTERED} LIMIT 1", Step.DUE.value) is not None

    def note_incidents(self, outages: Iterable[Outage], now: datetime) -> None:
        """Enter what the spool knows and the register does not: failures of KSeF, and dates that passed (U9)."""
        for outage in outages:
            period = outage.announcement
            said = f"{period.category.label.capitalize()} KSeF. {outage.title}".strip()
            self.add_incident(period.start, said, PROGRAM, "", now, "gateway", _source(outage))
        for alarm in self._db.execute(_UNENTERED, (Step.DUE.value,)).fetchall():
            due = rows.instant(alarm["due"])
            self.add_incident(due, alarm["sentence"], PROGRAM, alarm["unit"], now, "gateway", f"alarm:{alarm['id']}")

    def note_wrong_tokens(self, addresses: Iterable[str], now: datetime) -> None:
        """Enter each source of repeated wrong tokens or passwords, once a day; a day has room for so many only."""
        day = f"{warsaw_date(now)}"
        for address in addresses:
            row = self._one("SELECT count(*) AS n FROM incident WHERE source GLOB ?", f"tokens:{day}:*")
            if row is None or row["n"] >= _ADDRESSES_A_DAY:
                return
            said = f"Powtarzane złe tokeny albo hasła (adres {address}); kolejne próby są wstrzymywane."
            self.add_incident(now, said, PROGRAM, "", now, "gateway", f"tokens:{day}:{address}")

    # -- helpers -----------------------------------------------------------------------------------------------

    def _permitted(self, who: Person) -> bool:
        return any(p.person.id == who.id and p.withdrawn_on is None for p in self.permissions(who.unit))

    def _withdraw(self, table: str, since: str, number: int, on: date, by: str) -> None:
        done = self._db.execute(
            f"""UPDATE {table} SET withdrawn_on = ?, withdrawn_by = ?
                WHERE id = ? AND withdrawn_on IS NULL AND {since} <= ?""",  # noqa: S608 - our own names
            (on.isoformat(), by, number, on.isoformat()),
        )
        if not done.rowcount:
            raise RegisterRefused(
                f"Wpisu nr {number} nie ma, jest już zakończony albo zaczyna się po {on:%d.%m.%Y}.",
                "Numery wpisów są w pierwszej kolumnie rejestru.",
            )

    def _tell(self, who: Person, move: str, note: str, now: datetime, actor: str, number: int) -> None:
        self.log(f"person:{who.id}", move, now, actor, note, {"unit": who.unit, "entry": number})


_UNENTERED = """SELECT id, unit, due, sentence FROM alarm WHERE step = ?
    AND NOT EXISTS (SELECT 1 FROM incident WHERE source = 'alarm:' || alarm.id)"""


def _source(outage: Outage) -> str:
    return f"outage:{outage.announcement.id}"


def _person(row: Any) -> Person:
    return Person(row["person"], row["unit"], row["name"], row["post"])


def _maybe(day: str | None) -> date | None:
    return date.fromisoformat(day) if day else None
