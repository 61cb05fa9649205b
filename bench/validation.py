"""Checking a valid invoice: `spool.xml.examine` beside lxml's bare parse and beside the xmlschema library.

`examine` is the hash, the byte rules, the hardened parser, the form, the facts, the ministry's XSD, check digits and
warnings. The bare parse is `lxml.etree.fromstring` and no more; xmlschema validates the text against the same schema,
compiled before. In turns for each of the same invoices of 10 kB; the ratio is the median of the ratios of each turn.

Below stands where the time of `examine` goes, its steps one by one, in multiples of a bare parse of the same turn.
"""

import time
from collections.abc import Callable
from typing import Any

from lxml import etree

from bench import report
from bench.documents import invoices
from spool.bodies import sha256_hex
from spool.xml import byte_rules, content, examine, schema, warm
from spool.xml.facts import read
from spool.xml.identity import identify
from spool.xml.outline import Outline
from spool.xml.parser import parse

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
    whole = report.table(("One valid invoice of 10 kB", "median", ""), rows)
    left = report.median(theirs) / XMLSCHEMA_GOAL / report.median(bare)
    return f"{whole}\n\n{_profile(raws, rounds, left)}"


def _profile(raws: list[bytes], rounds: int, left: float) -> str:
    """What each step of `examine` costs, in bare parses, of which the goal beside xmlschema leaves so many."""
    seen: dict[str, list[float]] = {}
    for _ in range(rounds):
        for raw in raws:
            bare = _timed(etree.fromstring, raw)
            for step, seconds in _steps(raw).items():
                seen.setdefault(step, []).append(seconds / bare)
    medians = {step: report.median(shares) for step, shares in seen.items()}
    rows = [(step, f"{share:.2f} ×") for step, share in medians.items()]
    rows.append(("all of them, while the tree lives", f"{sum(medians.values()):.2f} ×"))
    rows.append(("what the goal beside xmlschema leaves", f"{left:.2f} ×"))
    return report.table(("step of `examine`", "bare parses"), rows)


def _steps(raw: bytes) -> dict[str, float]:
    """Seconds of each step for one document, in their order."""
    seconds: dict[str, float] = {}

    def take(step: str, work: Callable[[], Any]) -> Any:
        start = time.perf_counter()
        found = work()
        seconds[step] = time.perf_counter() - start
        return found

    take("SHA-256", lambda: sha256_hex(raw))
    take("byte rules", lambda: byte_rules.check(raw))
    root = take("hardened parser", lambda: parse(raw))
    form = identify(root).form
    outline = take("finding the elements", lambda: Outline(root))
    take("facts", lambda: read(outline, form))
    take("schema", lambda: schema.validate(root))
    take("check digits and warnings", lambda: [*content.refusals(outline), *content.warnings(outline)])
    return seconds


def _timed(work: Callable[[bytes], object], raw: bytes) -> float:
    """Seconds for one document."""
    start = time.perf_counter()
    work(raw)
    return time.perf_counter() - start


if __name__ == "__main__":
    report.run("validation", TITLE, __doc__, measure, rounds=41)
