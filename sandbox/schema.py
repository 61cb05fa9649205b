"""The FA(3) schema, read from the installed ksef-client package without importing it, compiled once."""

from __future__ import annotations

import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

from lxml import etree

FOLDER = Path("documents", "fa3", "schemas")
ROOT = "schemat_FA(3)_v1-0E.xsd"


class _Local(etree.Resolver):
    """Answers every schemaLocation, also absolute crd.gov.pl ones, from the package's folder by file name.

    The ignores are for lxml-stubs, which lag behind lxml here.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def resolve(self, system_url: str, public_id: str, context: Any) -> Any:  # type: ignore[override] # noqa: ARG002
        path = self._folder / system_url.rsplit("/", 1)[-1]
        return self.resolve_filename(str(path), context)  # type: ignore[attr-defined]


@cache
def fa3() -> etree.XMLSchema:
    """The compiled FA(3) schema; RuntimeError if the package with the files is not installed."""
    spec = importlib.util.find_spec("ksef_client")
    if spec is None or not spec.submodule_search_locations:
        raise RuntimeError("the FA(3) schema files come with the package ksef-client, which is not installed")
    folder = Path(spec.submodule_search_locations[0]) / FOLDER
    parser = etree.XMLParser(no_network=True, resolve_entities=False)
    parser.resolvers.add(_Local(folder))
    return etree.XMLSchema(etree.parse(str(folder / ROOT), parser))


def errors(root: etree._Element) -> list[str]:
    """What is wrong with an FA(3) document by its schema, up to 20 texts with line numbers; empty if nothing."""
    schema = fa3()
    if schema.validate(root):
        return []
    log: list[Any] = list(schema.error_log)  # type: ignore[call-overload]
    return [f"Linia {entry.line}: {entry.message}" for entry in log[:20]]
