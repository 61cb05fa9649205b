"""What a calendar brings and a person has to see to: permissions whose time is over, and what KSeF lets go of."""

from gateway.web.languages import phrase, say
from gateway.web.words import counted
from spool.domain.ledger import Condition

_PERMISSION = (phrase("uprawnienie"), phrase("uprawnienia"), "uprawnień")


def notes(permissions_over: int, lets_go: Condition | None) -> list[tuple[str, str]]:
    """Codes and sentences for the page and for `sluza status` (JST U5, §7)."""
    found = []
    if permissions_over:
        many = counted(permissions_over, _PERMISSION)
        text = say(
            "Minął termin ważności: {many}. Proszę odebrać w KSeF i odnotować (sluza register users).", many=many
        )
        found.append(("permissions_over", text))
    if lets_go is not None:
        told = lets_go.value
        text = say(
            "Z końcem roku KSeF przestaje przechowywać faktury z {year} r. (wystawione: {issued}, otrzymane: "
            "{received}). Potem zostaje tylko własne archiwum: proszę sprawdzić kopie zapasowe Śluzy; terminy są w "
            "rejestrach, w kolumnie „Przechowywać do”.",
            year=told["year"], issued=told["issued"], received=told["received"],
        )  # fmt: skip
        found.append(("ksef_lets_go", text))
    return found
