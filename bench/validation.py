"""Checking a valid invoice: `spool.xml.examine` beside lxml's bare parse and beside the xmlschema library.

`examine` is the hash, the byte rules, the hardened parser, the form, the facts, the ministry's XSD, check digits and
warnings. The bare parse is `lxml.etree.fromstring` and no more; xmlschema validates the text against the same schema,
compiled before. In turns for each of the same invoices of 10 kB; the ratio is the median of the ratios of each turn.
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
    """Medians over the turns; xmlschema gets every twentieth invoice, because it needs so long."""
    warm(explaining=True)
    raws = list(invoices(DOCUMENTS))
    assert all(examine(raw).ok for raw in raws)
    explaining = schema.fa3_explaining()
    ours, bare, theirs = list[float](), list[float](), list[float]()
    for number in range(rounds + 1):
        for place, raw in enumerate(raws):
            parsed, examined = _timed(etree.fromstring, raw), _timed(examine, raw)
            if number:
                bare.append(parsed)
                ours.append(examined)
            if number and place % 20 == 0:
                theirs.append(_timed(lambda raw: explaining.validate(raw.decode()), raw))
    parse_ratio = report.median([mine / parse for mine, parse in zip(ours, bare, strict=True)])
    library_ratio = report.median(theirs) / report.median(ours)
    rows = [
        ("`spool.xml.examine`", f"{report.median(ours) * 1000:.2f} ms", ""),
        (
            "lxml, bare parse", f"{report.median(bare) * 1000:.2f} ms",
            f"ours: {parse_ratio:.2f} ×, goal {report.verdict(parse_ratio, PARSE_GOAL, at_least=False)}",
        ),
        (
            "xmlschema, compiled", f"{report.median(theirs) * 1000:.1f} ms",
            f"ours: {library_ratio:.0f} × faster, goal {report.verdict(library_ratio, XMLSCHEMA_GOAL, at_least=True)}",
        ),
    ]  # fmt: skip
    return report.table(("One valid invoice of 10 kB", "median", ""), rows)


def _timed(work: Callable[[bytes], object], raw: bytes) -> float:
    """Seconds for one document."""
    start = time.perf_counter()
    work(raw)
    return time.perf_counter() - start


if __name__ == "__main__":
    report.run("validation", TITLE, __doc__, measure, rounds=41)
