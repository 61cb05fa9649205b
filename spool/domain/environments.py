"""The KSeF environments as named constants. Source: protocol §1 (DEMO has no Latarnia of its own and uses TEST's)."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Environment:
    """Where an environment lives: API base without a trailing slash, status beacon, QR portal; `label` for people."""

    name: str
    url: str
    latarnia_url: str
    qr_url: str
    label: str


PROD = Environment(
    "prod", "https://api.ksef.mf.gov.pl/v2", "https://api-latarnia.ksef.mf.gov.pl", "https://qr.ksef.mf.gov.pl", ""
)
DEMO = Environment(
    "demo",
    "https://api-demo.ksef.mf.gov.pl/v2",
    "https://api-latarnia-test.ksef.mf.gov.pl",
    "https://qr-demo.ksef.mf.gov.pl",
    "DEMO – bez skutków prawnych",
)
TEST = Environment(
    "test",
    "https://api-test.ksef.mf.gov.pl/v2",
    "https://api-latarnia-test.ksef.mf.gov.pl",
    "https://qr-test.ksef.mf.gov.pl",
    "TEST – bez skutków prawnych",
)
SANDBOX = Environment("sandbox", "", "", "", "PIASKOWNICA – dokument szkoleniowy, bez skutków prawnych")

TRAINING = "SZKOLENIE"
"""Begins the names of the files of training documents, and whatever people read about them."""

BY_NAME = {e.name: e for e in (PROD, DEMO, TEST, SANDBOX)}


def label_of(environment: str) -> str:
    """What people are told of this environment; empty for production, and for no environment."""
    known = BY_NAME.get(environment)
    return known.label if known else environment


def heading(training: str) -> str:
    """The first line of whatever is written about a training document; empty for a real one."""
    return f"{TRAINING}: {label_of(training)}" if training else ""
