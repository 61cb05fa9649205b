"""Checking a valid invoice: `spool.xml.examine` beside lxml's bare parse and beside the xmlschema library.

`examine` is the hash, the byte rules, the hardened parser, the form, the facts, the ministry's XSD, check digits and
warnings. The bare parse is `lxml.etree.fromstring` and no more; xmlschema validates the text against the same schema,
compiled before. In turns over the same invoices of 10 kB; the ratio is taken within each turn.
"""

import time
from collections.abc import Callable

from lxml import etree

from bench import report
from bench.documents import invoices
from spool.xml import examine, schema, warm

TITLE = "Checking an invoice"
DOCUMENTS = 40
PARSE_GOAL, XMLSCHEMA_GOAL = 2.9, 35


def measure(rounds: int) -> str:
    """Medians over the turns; xmlschema gets a few of the invoices of every fourth turn, because it needs so long."""
    warm(explaining=True)
    raws = list(invoices(DOCUMENTS))
    assert all(examine(raw).ok for raw in raws)
    explaining = schema.fa3_explaining()
    ours, bare, theirs = list[float](), list[float](), list[float]()
    for number in range(rounds + 1):
        bare.append(_each(etree.fromstring, raws))
        ours.append(_each(examine, raws))
        theirs.append(_each(_with(explaining), raws[:4]) if number % 4 == 1 else 0)
    parse_ratio = report.median([mine / parse for mine, parse in zip(ours[1:], bare[1:], strict=True)])
    library_ratio = report.median([other / mine for mine, other in zip(ours, theirs, strict=True) if other])
    rows = [
        ("`spool.xml.examine`", f"{report.median(ours[1:]) * 1000:.2f} ms", ""),
        (
            "lxml, bare parse", f"{report.median(bare[1:]) * 1000:.2f} ms",
            f"ours: {parse_ratio:.2f} ×, goal {report.verdict(parse_ratio, PARSE_GOAL, at_least=False)}",
        ),
        (
            "xmlschema, compiled", f"{report.median([t for t in theirs if t]) * 1000:.1f} ms",
            f"ours: {library_ratio:.0f} × faster, goal {report.verdict(library_ratio, XMLSCHEMA_GOAL, at_least=True)}",
        ),
    ]  # fmt: skip
    return report.table(("One valid invoice of 10 kB", "median", ""), rows)


def _with(explaining: "schema.XMLSchema10") -> Callable[[bytes], object]:
    return lambda raw: explaining.validate(raw.decode())


def _each(work: Callable[[bytes], object], raws: list[bytes]) -> float:
    """Seconds for one of these documents, on average."""
    start = time.perf_counter()
    for raw in raws:
        work(raw)
    return (time.perf_counter() - start) / len(raws)


if __name__ == "__main__":
    report.run("validation", TITLE, __doc__, measure, rounds=41)
