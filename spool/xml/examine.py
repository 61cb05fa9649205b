"""The check of an outgoing invoice, in one line of steps: bytes → text → tree → form → schema → content."""

from dataclasses import dataclass, replace

from lxml import etree

from spool.bodies import sha256_hex
from spool.domain.catalogue import problem
from spool.domain.document import Facts, FormCode
from spool.domain.errors import Problem
from spool.xml import byte_rules, content, schema, syntax
from spool.xml.explain import explain
from spool.xml.facts import read
from spool.xml.identity import identify
from spool.xml.parser import is_beginning, parse
from spool.xml.paths import Node
from spool.xml.received import read_root

SHOWN_PROBLEMS = 20
# Found in the bytes, but harmless to the parser: checking goes on, so that everything wrong is told at once.
_PARSE_ANYWAY = frozenset({"xml_bom", "xml_processing_instruction", "xml_discouraged_character", "xml_version"})


@dataclass(frozen=True)
class SizeLimits:
    """The largest file that KSeF takes, in bytes (protocol §10); a context may have others (`GET /limits/context`)."""

    plain: int = 1_000_000
    with_attachment: int = 3_000_000


DEFAULT = SizeLimits()


@dataclass(frozen=True)
class Examined:
    """What is known of the bytes. In order when `problems` is empty; `warnings` never stop an invoice.

    `facts` is whatever could be read, also of a refused document, or None when it is not an invoice at all.
    `complete` is False when the bytes look like the beginning of a file that is still being written.
    """

    sha256: str
    facts: Facts | None = None
    problems: tuple[Problem, ...] = ()
    warnings: tuple[Problem, ...] = ()
    complete: bool = True

    @property
    def ok(self) -> bool:
        """True when nothing was found that KSeF would refuse."""
        return not self.problems


def examine(raw: bytes, *, limits: SizeLimits = DEFAULT) -> Examined:
    """Check an outgoing FA(3) by every rule that needs no configuration and no clock. Never raises for any bytes."""
    found = _examine(raw, limits)
    problems = sorted(found.problems, key=lambda p: p.line or 0)
    if len(problems) > SHOWN_PROBLEMS:
        problems = [*problems[:SHOWN_PROBLEMS], problem("more_problems", shown=SHOWN_PROBLEMS)]
    return replace(found, problems=tuple(problems))


def warm(*, explaining: bool = False) -> None:
    """Compile the schema before the first document comes; with `explaining` also the slow library."""
    schema.fa3()
    if explaining:
        schema.fa3_explaining()


def _examine(raw: bytes, limits: SizeLimits) -> Examined:
    found = Examined(sha256_hex(raw))
    early = _unfinished(raw) or _too_big(raw, limits)
    if early:
        return replace(found, problems=(early,), complete=early.code == "too_big")
    text = byte_rules.check(raw)
    if text.cut_off:
        return replace(found, problems=(problem("incomplete_file"),), complete=False)
    if not {p.code for p in text.problems} <= _PARSE_ANYWAY:
        return replace(found, problems=text.problems, complete=_ends_like_xml(raw, text))
    try:
        root = parse(raw)
    except etree.XMLSyntaxError as error:
        if is_beginning(raw):
            return replace(found, problems=(*text.problems, problem("incomplete_file")), complete=False)
        return replace(found, problems=(*text.problems, syntax.explain(error)))
    return _examine_tree(replace(found, problems=text.problems), root, len(raw), limits)


def _examine_tree(found: Examined, root: Node, size: int, limits: SizeLimits) -> Examined:
    identity = identify(root)
    if identity.problem:
        facts = read_root(root) if identity.form is not FormCode.UNKNOWN else None
        return replace(found, facts=facts, problems=(*found.problems, identity.problem))
    facts = read(root, identity.form)
    found = replace(found, facts=facts, warnings=tuple(content.warnings(root)))
    problems = [*found.problems]
    if size > limits.plain and not facts.has_attachment:
        problems.append(_size_problem(size, limits.plain))
    explained = [] if schema.validate(root) else explain(root, SHOWN_PROBLEMS + 1)
    # The schema's word about a field stands alone: a NIP of nine digits need not be told its check digit too.
    told = {p.field for p in explained}
    problems += explained + [p for p in content.refusals(root) if p.field not in told]
    return replace(found, problems=tuple(problems))


def _unfinished(raw: bytes) -> Problem | None:
    """Nothing yet, or space allocated in advance and not yet written (faults D01)."""
    if not raw.strip(b" \t\r\n"):
        return problem("empty_file")
    if byte_rules.is_wide(raw):
        return None
    return problem("incomplete_file") if raw.startswith(b"\0") or raw.endswith(b"\0") else None


def _too_big(raw: bytes, limits: SizeLimits) -> Problem | None:
    """Decided without parsing, except for a file between the two limits that mentions an attachment."""
    limit = limits.with_attachment if b"Zalacznik" in raw else limits.plain
    return _size_problem(len(raw), limit) if len(raw) > limit else None


def _size_problem(size: int, limit: int) -> Problem:
    return problem("too_big", size=f"{size:,}".replace(",", " "), limit=f"{limit:,}".replace(",", " "))


def _ends_like_xml(raw: bytes, text: byte_rules.Text) -> bool:
    """False only where the encoding is wrong *and* the end is missing: such a file may still be growing."""
    wrong_encoding = any(p.code in {"xml_encoding", "xml_not_utf8", "xml_encoding_declared"} for p in text.problems)
    return not wrong_encoding or raw.rstrip(b" \t\r\n\0").endswith(b">")
