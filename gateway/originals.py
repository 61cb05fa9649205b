"""A correcting invoice and its original (JST rule S16; art. 106nda(12), 106nf(11), 106j(2)(2a)).

The original must have its KSeF number first, and the correction must carry that number. What is not in our spool was
issued by another program: nothing contradicts it, and a policy says whether the unit is told. Another unit's original
stays unnamed (I7).
"""

from dataclasses import replace

from spool.domain.catalogue import problem
from spool.domain.document import CorrectedInvoice
from spool.domain.errors import Problem
from spool.domain.ledger import Document, NewDocument
from spool.domain.municipality import Municipality
from spool.domain.policies import decided
from spool.store import Store

_FIELD = "Fa/DaneFaKorygowanej"
_OUTSIDE, _NUMBER = f"{_FIELD}/NrKSeFN", f"{_FIELD}/NrKSeFFaKorygowanej"


def check(store: Store, new: NewDocument, municipality: Municipality) -> NewDocument:
    """The same document, refused where an original of ours contradicts it; what we cannot know is for the policies."""
    if not new.facts.corrected:
        return new
    problems, unknown, awaits = [], [], ""
    for corrected in new.facts.corrected:
        key = new.facts.key_of(corrected.number)
        ours = store.originals(new.facts.seller_nip, key)
        found = _contradiction(corrected, ours, new.unit) if ours else _other_invoice(store, corrected)
        if found is not None:
            problems.append(found)
            waiting = any(o.ksef_number is None and o.unit == new.unit for o in ours)
            awaits = awaits or (key if waiting else "")
        elif not ours:
            unknown += _unknown(corrected)
    refused, warned = decided(municipality, municipality.units.get(new.unit)).sort(unknown)
    new = replace(new, warnings=(*new.warnings, *warned))
    return new.refused([*problems, *refused], awaits) if problems or refused else new


def _unknown(corrected: CorrectedInvoice) -> list[Problem]:
    """An original that this spool never had, by its KSeF number or as one from outside KSeF."""
    if corrected.ksef_number:
        return [problem("original_unknown", field=_NUMBER, value=corrected.ksef_number)]
    return [problem("correction_of_outside", field=_OUTSIDE, value=corrected.number)] if corrected.outside_ksef else []


def _contradiction(corrected: CorrectedInvoice, ours: list[Document], unit: str) -> Problem | None:
    """What is wrong, when documents of ours have the number of the original."""
    if corrected.ksef_number and any(o.ksef_number == corrected.ksef_number for o in ours):
        return None
    if not corrected.ksef_number and not corrected.outside_ksef:
        return None  # neither said: the schema's own warning speaks of it
    field = _OUTSIDE if corrected.outside_ksef else _NUMBER
    original = next((o for o in ours if o.unit == unit), None)
    if original is None:
        return problem("original_elsewhere", field=field, value=corrected.number)
    if original.ksef_number:
        code = "original_not_numbered" if corrected.outside_ksef else "original_other_number"
        return problem(code, field=field, value=corrected.number, ready=f": {original.ksef_number}")
    ready = ", gdy zostanie nadany. Damy znać w notatce obok tego pliku, kiedy to nastąpi"
    return problem("original_not_numbered", field=field, value=corrected.number, ready=ready)


def _other_invoice(store: Store, corrected: CorrectedInvoice) -> Problem | None:
    """The KSeF number is one of ours, but of an invoice with another number."""
    if not corrected.ksef_number or store.ours(corrected.ksef_number, "") is None:
        return None
    return problem("original_mismatch", field=_NUMBER, value=corrected.ksef_number, number=corrected.number)
