"""The ministry's FA(3) schema, read from the installed `ksef-client` package and compiled once per process.

The package is located, never imported (DESIGN decision 2). Its files include one another by absolute crd.gov.pl
addresses; those are mapped to the files beside, and nothing is ever fetched.
"""

from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lxml import etree

from spool.domain.errors import SluzaError
from spool.xml.paths import Node

if TYPE_CHECKING:
    from xmlschema import XMLSchema10

FA3_NAMESPACE = "http://crd.gov.pl/wzor/2025/06/25/13775/"
FA3_FILE = "schemat_FA(3)_v1-0E.xsd"
_MINISTRY = "http://crd.gov.pl/xml/schematy/"
_XSD = "{http://www.w3.org/2001/XMLSchema}"
_PLAIN_VALUES = {
    "TKwotowy": r"-?([1-9][0-9]{0,15}|0)(\.[0-9]{1,2})?",
    "TKwotowy2": r"-?([1-9][0-9]{0,13}|0)(\.[0-9]{1,8})?",
    "TIlosci": r"-?([1-9][0-9]{0,15}|0)(\.[0-9]{1,6})?",
    "TNaturalny": "[1-9][0-9]{0,13}",
    "TStawkaPodatku": "23|22|8|7|5|4|3|0 KR|0 WDT|0 EX|zw|oo|np I|np II",
}
"""The types of which an invoice has the most values, and how programs write them. The patterns of numbers are those of
the schema, but for `\\d`, which there takes the digits of every script; they leave nothing to its limits of digits."""


class SchemaMissing(SluzaError):  # noqa: N818 - reads as the fact it states
    """The installed package does not contain the FA(3) schema: the installation is broken."""

    code = "schema_missing"


def schema_directory() -> Path:
    """Where the installed `ksef-client` keeps the FA(3) schema files."""
    spec = find_spec("ksef_client")
    for root in (spec.submodule_search_locations or ()) if spec else ():
        directory = Path(root, "documents", "fa3", "schemas")
        if (directory / FA3_FILE).is_file():
            return directory
    raise SchemaMissing(
        "Brak plików struktury FA(3) w zainstalowanym pakiecie ksef-client.",
        "Zainstaluj program ponownie (install.sh --upgrade).",
    )


def local_address(address: str) -> str:
    """The file beside for an address of the ministry's; a path inside the package stays; all else is refused."""
    directory = schema_directory()
    name = address.rsplit("/", 1)[-1]
    if address.startswith(_MINISTRY) or Path(address.removeprefix("file://")).parent == directory:
        return str(directory / name)
    raise SchemaMissing(f"Struktura FA(3) odwołuje się do nieznanego adresu: {address}")


class _Local(etree.Resolver):
    """Answers every schema location with a local file."""

    def resolve(self, *arguments: Any) -> Any:
        url, _, context = arguments
        this: Any = self
        return this.resolve_filename(local_address(url), context)


@cache
def fa3() -> etree.XMLSchema:
    """The compiled schema that decides: ~20 ms to compile, ~0.2 ms for an invoice of twenty rows."""
    return etree.XMLSchema(_source())


@cache
def fa3_plain_values() -> etree.XMLSchema:
    """The same schema for a quick yes: the types of `_PLAIN_VALUES` take those ways of writing only, and as mere text.

    Half of the time of `fa3` goes into reading numbers that the pattern of their type has already admitted. Each value
    that is taken here is taken there; no element has a type that one of these could stand in for (`xsi:type`).
    """
    source = _source()
    for kind in source.iter(f"{_XSD}simpleType"):
        if (pattern := _PLAIN_VALUES.get(kind.get("name", ""))) is not None:
            restriction = kind.find(f"{_XSD}restriction")
            assert restriction is not None
            restriction.set("base", "xsd:token")
            restriction[:] = [restriction.makeelement(f"{_XSD}pattern", value=pattern)]
    return etree.XMLSchema(source)


def _source() -> Any:
    parser = etree.XMLParser(no_network=True, resolve_entities=False, load_dtd=False)
    parser.resolvers.add(_Local())
    return etree.parse(str(schema_directory() / FA3_FILE), parser)


@cache
def fa3_explaining() -> "XMLSchema10":
    """The same schema in the library that explains: ~0.7 s to import and build, so only after a failure."""
    import xmlschema  # here, because it is slow and most processes never need it

    path = str(schema_directory() / FA3_FILE)
    return xmlschema.XMLSchema10(path, uri_mapper=local_address, allow="local", use_fallback=False)


def validate(root: Node) -> bool:
    """True when the document is valid against FA(3); `xsi:schemaLocation` in it is never followed."""
    return bool(fa3_plain_values().validate(root)) or bool(fa3().validate(root))
