"""Training beside production in one spool: no context changes its world, and what was sent in training says so.

Asked by both programs before they begin. A document knows its context by name; were that name to mean another KSeF one
day, what waits from a training would be sent in earnest, and what was numbered in a training would count as sent.
"""

from datetime import datetime

from spool.domain.environments import label_of
from spool.domain.errors import ConfigError
from spool.domain.municipality import Municipality
from spool.store import Store

ENVIRONMENT = "environment"
"""The condition of a context that says in which environment its documents are."""


def settle(store: Store, municipality: Municipality, now: datetime) -> None:
    """Remember the environment of each context, and mark the documents of those that are training beside others now.

    Raises ConfigError for a context that has documents of another environment than the configuration says.
    """
    for context in municipality.contexts.values():
        said = store.condition(context.id, ENVIRONMENT)
        before = said.value.get("name") if said else context.environment
        if before != context.environment and store.has_documents(context.id):
            was, to = (label_of(name) or "KSeF produkcyjny" for name in (str(before), context.environment))
            raise ConfigError(
                f"Kontekst „{context.id}” ma w spoolu dokumenty ({was}), a konfiguracja kieruje go do: {to}.",
                "Proszę dać nowemu środowisku osobny kontekst (inne id) i przepisać do niego jednostki; "
                "poprzedni kontekst zostawić.",
            )
        training = municipality.training(context.id)
        wanted = {"name": context.environment, "training": training}
        if said is None or said.value != wanted:
            if training:
                store.mark_training(context.id, training)
            store.set_condition(context.id, ENVIRONMENT, wanted, now)
