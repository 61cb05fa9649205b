"""People of the units, and the internal ids (IDWew) given to them or to sections (JST rules P7, U7)."""

from datetime import date, datetime
from typing import NamedTuple

from spool.domain.errors import RegisterRefused
from spool.domain.people import InternalId, Person
from spool.rows import stamp
from spool.store.base import Base


class Owner(NamedTuple):
    """Whose an IDWew is: the unit, and the person's name; the name is empty for a section."""

    unit: str
    person: str


class People(Base):
    """Rows are added and withdrawn, never changed or removed; each change has its event."""

    def idwew_owner(self, idwew: str) -> Owner | None:
        """Whose this IDWew is now; None when nobody has it, or nobody any more."""
        row = self._one(
            """SELECT i.unit, ifnull(p.name, '') AS person FROM internal_id i LEFT JOIN person p ON p.id = i.person
               WHERE i.idwew = ? AND i.withdrawn_on IS NULL""",
            idwew,
        )
        return Owner(row["unit"], row["person"]) if row else None

    def person(self, unit: str, name: str, post: str, now: datetime, actor: str) -> Person:
        """The person of this name and post in this unit, entered if they are new."""
        row = self._one("SELECT * FROM person WHERE unit = ? AND name = ? AND post = ?", unit, name, post)
        if row is None:
            row = self._one(
                "INSERT INTO person (unit, name, post, added_at) VALUES (?, ?, ?, ?) RETURNING *",
                unit, name, post, stamp(now),
            )  # fmt: skip
            assert row is not None
            self.log(f"person:{row['id']}", "person_added", now, actor, f"Wpisano osobę: {name}.", {"unit": unit})
        return Person(row["id"], row["unit"], row["name"], row["post"])

    def people(self, unit: str | None = None) -> list[Person]:
        """All people, or those of one unit, by unit and name."""
        found = self._db.execute(
            "SELECT * FROM person WHERE ? IS NULL OR unit = ? ORDER BY unit, name, id", (unit,) * 2
        )
        return [Person(r["id"], r["unit"], r["name"], r["post"]) for r in found]

    def give_idwew(self, new: InternalId, person: Person | None, now: datetime, actor: str) -> InternalId:
        """Enter an IDWew of a person, or of a section. Raises RegisterRefused when it is, or was, another's.

        One that another unit had before is never given away: a late invoice with it would reach a unit that it is none
        of the business of.
        """
        for row in self._db.execute("SELECT * FROM internal_id WHERE idwew = ? ORDER BY id", (new.idwew,)).fetchall():
            if row["withdrawn_on"] is None or row["unit"] != new.unit:
                what = "ma już właściciela w jednostce" if row["withdrawn_on"] is None else "miała wcześniej jednostka"
                raise RegisterRefused(
                    f"IDWew {new.idwew} {what} {row['unit']}.",
                    "Proszę wybrać inny numer: sluza register idwew add bez --idwew nada wolny.",
                )
        row = self._one(
            """INSERT INTO internal_id (idwew, unit, person, section, given_on, given_by) VALUES (?, ?, ?, ?, ?, ?)
               RETURNING id""",
            new.idwew, new.unit, person.id if person else None, new.section, new.given_on.isoformat(), new.given_by,
        )  # fmt: skip
        assert row is not None
        data = {"unit": new.unit, "person": person.id if person else None, "section": new.section}
        self.log(f"idwew:{new.idwew}", "idwew_given", now, actor, f"Nadano IDWew: {new.holder}.", data)
        return new._replace(id=row["id"])

    def withdraw_idwew(self, idwew: str, on: date, by: str, now: datetime, actor: str) -> None:
        """Nobody has this IDWew any more. Raises RegisterRefused when nobody had it on that day."""
        done = self._db.execute(
            """UPDATE internal_id SET withdrawn_on = ?, withdrawn_by = ?
               WHERE idwew = ? AND withdrawn_on IS NULL AND given_on <= ?""",
            (on.isoformat(), by, idwew, on.isoformat()),
        )
        if not done.rowcount:
            raise RegisterRefused(f"Nikt nie ma IDWew {idwew} w dniu {on:%d.%m.%Y}.", "Lista: sluza register idwew")
        self.log(f"idwew:{idwew}", "idwew_withdrawn", now, actor, "Wycofano IDWew.", {"on": on.isoformat()})

    def internal_ids(self, unit: str | None = None) -> list[InternalId]:
        """All that were ever given, or those of one unit, by number and time."""
        found = self._db.execute(
            """SELECT i.*, ifnull(p.name, '') AS name FROM internal_id i LEFT JOIN person p ON p.id = i.person
               WHERE ? IS NULL OR i.unit = ? ORDER BY i.idwew, i.id""",
            (unit, unit),
        )
        return [
            InternalId(
                r["idwew"], r["unit"], r["name"], r["section"], date.fromisoformat(r["given_on"]), r["given_by"],
                date.fromisoformat(r["withdrawn_on"]) if r["withdrawn_on"] else None, r["withdrawn_by"], r["id"],
            )
            for r in found
        ]  # fmt: skip
