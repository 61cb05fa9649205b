"""What is said about backups and yearly archives: on the page, in `sluza status`. Pure."""

from datetime import datetime

from gateway.web.finding import Finding, Level
from gateway.web.languages import say
from gateway.web.words import moment
from spool.domain import volumes
from spool.domain.backups import standing, worry
from spool.domain.ledger import Condition


def findings(condition: Condition | None, now: datetime) -> list[Finding]:
    """An alarm, or none where no backups are asked for, or the last one is good and new."""
    if condition is None:
        return []
    said = standing(condition.value)
    last = say("nie ma ani jednej dobrej")
    if said.good_at:
        last = say("ostatnia dobra jest z {at}", at=moment(said.good_at, now))
    why = " ".join(part for part in (said.reason, said.hint) if part)
    match worry(said, now):
        case "old":
            text = say("Od ponad dwóch dni nie ma nowej kopii zapasowej: {last}. {kept}", last=last, kept=why)
            return [Finding(Level.ALARM, text, "backup", 2, kept=why)]
        case "failed":
            text = say("Kopia zapasowa się nie udała; {last}. {kept}", last=last, kept=why)
            return [Finding(Level.ALARM, text, "backup", 1, kept=why)]
    return []


def archives(condition: Condition | None) -> list[Finding]:
    """An alarm for every volume that is not what was sealed, and what became of the last look."""
    if condition is None:
        return []
    said = volumes.standing(condition.value)
    found = [
        Finding(Level.ALARM, f"Archiwum: tom {name} {wrong}. {volumes.PUT_BACK}", f"archive_damaged:{name}")
        for name, wrong in sorted((said.damaged or {}).items())
    ]
    if said.reason:
        text = f"Archiwum: nocny przegląd się nie udał. {said.reason} {said.hint}".strip()
        found.append(Finding(Level.LOOK, text, "archive"))
    return found


def line(condition: Condition | None, now: datetime) -> str:
    """One line about the last good backup."""
    if condition is None:
        return "Kopia zapasowa: żadnej jeszcze nie było (pole backup.directory)"
    said = standing(condition.value)
    return (
        f"Kopia zapasowa: {moment(said.good_at, now)}, {said.file}"
        if said.good_at
        else "Kopia zapasowa: jeszcze żadnej"
    )
