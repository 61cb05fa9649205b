"""Who may do what in which context, and for which seller a context may issue (sandbox contract §7)."""

from __future__ import annotations

from dataclasses import dataclass

from sandbox.facts import InvoiceFacts
from sandbox.store import Row, Store
from sandbox.subjects import Subject

OWNER = (
    "InvoiceRead",
    "InvoiceWrite",
    "Introspection",
    "CredentialsRead",
    "CredentialsManage",
    "SubunitManage",
    "EnforcementOperations",
    "CollectiveIdentifierManage",
)
GRANTABLE = frozenset(OWNER)
ENTITY_SCOPES = ("InvoiceWrite", "InvoiceRead", "CollectiveIdentifierManage")
SCOPES = ("SelfInvoicing", "RRInvoicing", "TaxRepresentative", "PefInvoicing")
SENDING = ("InvoiceWrite", "PefInvoiceWrite", "EnforcementOperations")
BATCHING = ("InvoiceWrite", "EnforcementOperations")
LOOKING = ("InvoiceWrite", "Introspection", "PefInvoiceWrite", "EnforcementOperations")
READING = ("InvoiceRead",)


@dataclass(frozen=True)
class Context:
    """A login context; type Nip, InternalId, NipVatUe or PeppolId."""

    type: str
    value: str

    @property
    def nip(self) -> str:
        """The NIP the context belongs to (empty for Peppol)."""
        return self.value[:10] if self.type != "PeppolId" else ""

    @property
    def key(self) -> str:
        """One string naming the context, as facts are keyed."""
        return f"{self.type}|{self.value}"


def context_of(row: Row) -> Context:
    """The context named by a row's `context_type` and `context_value`."""
    return Context(row["context_type"], row["context_value"])


def granted(store: Store, subject: Subject, context: Context, now: int) -> tuple[str, ...]:
    """Permissions of a subject in a context; the owner of the NIP has them all; empty means status 415 (A6)."""
    if subject.type == "Nip" and subject.value == context.nip:
        return OWNER
    if subject.type == "Pesel":
        person = store.get_fact("person", context.nip)
        if person and person["pesel"] == subject.value:
            return OWNER
    return scopes_of(store, "kind <> 'authorization'", context, (subject.type, subject.value), now)


def scopes_of(store: Store, kinds: str, context: Context, subject: tuple[str, str], now: int) -> tuple[str, ...]:
    """Scopes in force of a subject in a context, by every grant of these kinds (an SQL condition of ours)."""
    rows = store.all(
        f"SELECT DISTINCT scope FROM grants WHERE {kinds} AND context_type = ? AND context_value = ?"  # noqa: S608
        " AND subject_type = ? AND subject_value = ? AND start_ms <= ? AND (end_ms IS NULL OR end_ms > ?)"
        " ORDER BY scope",
        context.type,
        context.value,
        *subject,
        now,
        now,
    )
    return tuple(row["scope"] for row in rows)


def roles(store: Store, nip: str) -> dict[str, tuple[str, str, int]]:
    """Roles of a NIP in the register of subjects: (parent NIP or empty, description, since when in ms)."""
    units = {"JST": "LocalGovernmentUnit", "VatGroup": "VatGroupUnit", "EnforcementAuthority": "EnforcementAuthority"}
    found: dict[str, tuple[str, str, int]] = {}
    if (store.get_fact("person", nip) or {}).get("isBailiff"):
        found["CourtBailiff"] = ("", "Komornik sądowy", 0)
    for owner, fact in store.facts("subject").items():
        since = fact.get("created_ms", 0)
        if owner == nip:
            found[units[fact["subjectType"]]] = ("", fact.get("description") or "Rola podmiotu", since)
        for unit in fact.get("subunits") or []:
            if unit["subjectNip"] == nip:
                role = units[fact["subjectType"]].replace("Unit", "SubUnit")
                found[role] = (owner, unit.get("description") or "Podmiot podrzędny", since)
    return found


def is_owner(permissions: tuple[str, ...]) -> bool:
    """Whether a permission set is the whole of the owner's."""
    return set(permissions) == set(OWNER)


def may_issue(store: Store, context: Context, facts: InvoiceFacts, now: int, *, lenient: bool) -> bool:
    """Rules 1–6 of the contract's §7: whether invoices of this seller may be sent from the context (I13)."""
    seller = facts.seller_nip
    if context.type == "Nip" and context.value == seller:
        return True
    if context.type == "InternalId" and context.nip == seller:
        roles = [party.role for party in facts.third if party.internal_id == context.value]
        return bool(roles) and (lenient or 7 in roles)
    if context.type == "Nip" and _is_subunit(store, seller, context.value, facts, lenient=lenient):
        return True
    if _authorised(store, seller, context, facts, now):
        return True
    return _enforces(store, context) and facts.authorised_nip == context.nip and facts.authorised_role in (1, 2)


def may_act_for(store: Store, context: Context, seller: str, now: int) -> bool:
    """The same rules before there is an invoice to look into: whether the context may ever issue for this seller."""
    if context.type in ("Nip", "InternalId") and context.nip == seller:
        return True
    parent = store.get_fact("subject", seller) or {}
    units = [unit["subjectNip"] for unit in parent.get("subunits") or []]
    if context.type == "Nip" and parent.get("subjectType") in ("JST", "VatGroup") and context.value in units:
        return True
    who = (context.type, context.value)
    if scopes_of(store, "kind = 'authorization'", Context("Nip", seller), who, now):
        return True
    return _enforces(store, context)


def _enforces(store: Store, context: Context) -> bool:
    """An enforcement authority or a bailiff issues for the debtor (rule 6)."""
    enforcing = store.get_fact("subject", context.nip) or {}
    bailiff = (store.get_fact("person", context.nip) or {}).get("isBailiff", False)
    return bool(bailiff or enforcing.get("subjectType") == "EnforcementAuthority")


def _is_subunit(store: Store, seller: str, child: str, facts: InvoiceFacts, *, lenient: bool) -> bool:
    parent = store.get_fact("subject", seller)
    if not parent or child not in [unit["subjectNip"] for unit in parent.get("subunits") or []]:
        return False
    role = {"JST": 7, "VatGroup": 9}.get(parent["subjectType"])
    return any(party.nip == child and (lenient or party.role == role) for party in facts.third)


def _authorised(store: Store, seller: str, context: Context, facts: InvoiceFacts, now: int) -> bool:
    who = (context.type, context.value)
    scopes = scopes_of(store, "kind = 'authorization'", Context("Nip", seller), who, now)
    if "TaxRepresentative" in scopes:
        return True
    if facts.form == "FA_RR":
        return "RRInvoicing" in scopes
    if facts.form == "PEF" and "PefInvoicing" in scopes:
        return True
    return "SelfInvoicing" in scopes and facts.self_invoicing
