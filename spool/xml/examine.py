"""The check of an outgoing invoice, in one line of steps: bytes → text → tree → form → schema → content."""

from collections.abc import Callable
from dataclasses import dataclass, replace

from lxml import etree

from spool.bodies import sha256_hex
from spool.domain.catalogue import problem
from spool.domain.document import Facts, FormCode
from spool.domain.errors import Problem
from spool.xml import byte_rules, content, schema, syntax
from spool.xml.facts import read
from spool.xml.identity import identify
from spool.xml.outline import Outline
from spool.xml.parser import is_beginning, parse
from spool.xml.paths import Node
from spool.xml.received import read_root

SHOWN_PROBLEMS = 20
_BLANKS, _BEGINNING = b" \t\r\n", 256
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
    if not found.problems:
        return found
    problems = sorted(found.problems, key=lambda p: p.line or 0)
    if len(problems) > SHOWN_PROBLEMS:
        problems = [*problems[:SHOWN_PROBLEMS], problem("more_problems", shown=SHOWN_PROBLEMS)]
    return replace(found, problems=tuple(problems))


def warm(*, explaining: bool = False) -> None:
    """Compile the schema before the first document comes; with `explaining` also the slow library."""
    schema.fa3_plain_values()
    schema.fa3()
    if explaining:
        _explainer()
        schema.fa3_explaining()


def _examine(raw: bytes, limits: SizeLimits) -> Examined:
    sha256 = sha256_hex(raw)
    early = _unfinished(raw) or _too_big(raw, limits)
    if early:
        return Examined(sha256, problems=(early,), complete=early.code == "too_big")
    text = byte_rules.check(raw)
    if text.cut_off:
        return Examined(sha256, problems=(problem("incomplete_file"),), complete=False)
    if not {p.code for p in text.problems} <= _PARSE_ANYWAY:
        return Examined(sha256, problems=text.problems, complete=_ends_like_xml(raw, text))
    try:
        root = parse(raw)
    except etree.XMLSyntaxError as error:
        if is_beginning(raw):
            return Examined(sha256, problems=(*text.problems, problem("incomplete_file")), complete=False)
        return Examined(sha256, problems=(*text.problems, syntax.explain(error)))
    too_big = _size_problem(len(raw), limits.plain) if len(raw) > limits.plain else None
    return _examine_tree(sha256, text.problems, root, too_big)


def _examine_tree(sha256: str, problems: tuple[Problem, ...], root: Node, too_big: Problem | None) -> Examined:
    """`problems` are those of the bytes; `too_big` is one only where there is no attachment."""
    identity = identify(root)
    if identity.problem:
        facts = read_root(root) if identity.form is not FormCode.UNKNOWN else None
        return Examined(sha256, facts, (*problems, identity.problem))
    outline = Outline(root)
    facts = read(outline, identity.form)
    if too_big and not facts.has_attachment:
        problems = (*problems, too_big)
    explained = [] if schema.validate(root) else _explainer()(root, SHOWN_PROBLEMS + 1)
    # The schema's word about a field stands alone: a NIP of nine digits need not be told its check digit too.
    told = {p.field for p in explained}
    refused = (p for p in content.refusals(outline) if p.field not in told)
    return Examined(sha256, facts, (*problems, *explained, *refused), tuple(content.warnings(outline)))


def _unfinished(raw: bytes) -> Problem | None:
    """Nothing yet, or space allocated in advance and not yet written (faults D01)."""
    if not raw[:_BEGINNING].strip(_BLANKS) and not raw.strip(_BLANKS):
        return problem("empty_file")
    if byte_rules.is_wide(raw):
        return None
    # A file of another kind may well end with a zero byte; only of one that begins as XML does it tell anything.
    begins = raw[:_BEGINNING].removeprefix(b"\xef\xbb\xbf").lstrip(_BLANKS).startswith(b"<")
    return problem("incomplete_file") if raw.startswith(b"\0") or (begins and raw.endswith(b"\0")) else None


def _too_big(raw: bytes, limits: SizeLimits) -> Problem | None:
    """Decided without parsing, except for a file between the two limits that mentions an attachment."""
    if len(raw) <= limits.plain:
        return None
    limit = limits.with_attachment if b"Zalacznik" in raw else limits.plain
    return _size_problem(len(raw), limit) if len(raw) > limit else None


def _size_problem(size: int, limit: int) -> Problem:
    return problem("too_big", size=f"{size:,}".replace(",", " "), limit=f"{limit:,}".replace(",", " "))


def _ends_like_xml(raw: bytes, text: byte_rules.Text) -> bool:
    """False only where the encoding is wrong *and* the end is missing: such a file may still be growing."""
    wrong_encoding = any(p.code in {"xml_encoding", "xml_not_utf8", "xml_encoding_declared"} for p in text.problems)
    return not wrong_encoding or raw.rstrip(_BLANKS + b"\0").endswith(b">")


def _explainer() -> Callable[[Node, int], list[Problem]]:
    # Here, because it imports the slow library, and the programs that only ask workers never need it.
    from spool.xml.explain import explain

    return explain
