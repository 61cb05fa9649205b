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
        Finding(Level.ALARM, _volume(name, wrong), f"archive_damaged:{name}", kept=wrong)
        for name, wrong in sorted((said.damaged or {}).items())
    ]
    if said.reason:
        why = f"{said.reason} {said.hint}".strip()
        text = say("Archiwum: nocny przegląd się nie udał. {kept}", kept=why)
        found.append(Finding(Level.LOOK, text, "archive", kept=why))
    return found


def _volume(name: str, wrong: str) -> str:
    return say("Archiwum: tom {name} {kept}. {cure}", name=name, kept=wrong, cure=say(volumes.PUT_BACK))


def line(condition: Condition | None, now: datetime) -> str:
    """One line about the last good backup."""
    if condition is None:
        return "Kopia zapasowa: żadnej jeszcze nie było (pole backup.directory)"
    said = standing(condition.value)
    if said.good_at is None:
        return "Kopia zapasowa: jeszcze żadnej"
    without = f"; bez plików, których usługa nie może czytać: {', '.join(said.unreadable)}" if said.unreadable else ""
    return f"Kopia zapasowa: {moment(said.good_at, now)}, {said.file}{without}"
