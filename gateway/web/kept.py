"""What a calendar brings and a person has to see to: permissions whose time is over, and what KSeF lets go of."""

from gateway.web.words import counted
from spool.domain.ledger import Condition

_PERMISSION = ("uprawnienie", "uprawnienia", "uprawnień")


def notes(permissions_over: int, lets_go: Condition | None) -> list[tuple[str, str]]:
    """Codes and sentences for the page and for `sluza status` (JST U5, §7)."""
    found = []
    if permissions_over:
        many = counted(permissions_over, _PERMISSION)
        text = f"Minął termin ważności: {many}. Proszę odebrać w KSeF i odnotować (sluza register users)."
        found.append(("permissions_over", text))
    if lets_go is not None:
        told = lets_go.value
        text = (
            f"Z końcem roku KSeF przestaje przechowywać faktury z {told['year']} r. (wystawione: {told['issued']}, "
            f"otrzymane: {told['received']}). Potem zostaje tylko własne archiwum: proszę sprawdzić kopie zapasowe "
            "Śluzy; terminy są w rejestrach, w kolumnie „Przechowywać do”."
        )
        found.append(("ksef_lets_go", text))
    return found
