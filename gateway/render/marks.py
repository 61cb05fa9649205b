"""What the gateway knows about a document and the XML does not say: number, codes, status, environment."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

FIXED_CREATION = datetime(2026, 2, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Arms:
    """The municipality's coat of arms as the text of an SVG, as `gateway.render.arms` makes it of any picture."""

    svg: str = field(repr=False)


@dataclass(frozen=True)
class Marks:
    """What is printed around the invoice; every empty field prints nothing.

    `title` replaces the name of the document (art. 106nda(3): "Potwierdzenie transakcji" for a domestic buyer before
    numbering); `status` are sentences for the box below it. `ribbon` names the environment on every page and is
    empty in production. The captions below the codes follow protocol §13: the KSeF number, or `OFFLINE` while there
    is none; `CERTYFIKAT` below KOD II. `created` is the creation date in the file: the same input gives the same
    bytes. `arms` stand at the top of what the municipality itself issues.
    """

    ksef_number: str = ""
    kod1_url: str = ""
    kod2_url: str = ""
    status: tuple[str, ...] = ()
    unit: str = ""
    ribbon: str = ""
    title: str = ""
    created: datetime = FIXED_CREATION
    arms: Arms | None = None
