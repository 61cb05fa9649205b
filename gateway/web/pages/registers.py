"""Monthly registers: the files that lie in `rejestry/` of each unit one sees, and of the centre for the whole town."""

from typing import Any

from aiohttp import web

from gateway.folders import registers
from gateway.folders.layout import CENTRAL
from gateway.http.answers import as_file
from gateway.http.problems import HttpProblem
from gateway.web import shown
from gateway.web.languages import say
from gateway.web.parts import PARTS, Viewer
from gateway.web.sight import units_of

_KINDS = {".csv": "text/csv", ".xlsx": "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"}

_MONTH = len("RRRR-MM")


async def listing(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /rejestry: by month, the newest first, and in each month by unit."""
    parts = request.app[PARTS]
    owners = {unit.id: unit.name for unit in units_of(parts, viewer)}
    if viewer.account.whole_town:
        owners = {CENTRAL: say("Cała gmina")} | owners
    months: dict[str, dict[str, list[dict[str, str]]]] = {}
    for owner, name in owners.items():
        for found in await registers.listed(parts.folders_root, owner):
            month = found.name.rpartition(".")[0][-_MONTH:]
            files = months.setdefault(month, {}).setdefault(name, [])
            files.append({"href": f"/rejestry/{owner}/{found.name}", "name": found.name})
    values = {"months": [_month(month, months[month]) for month in sorted(months, reverse=True)]}
    return shown.page(request, viewer, "registers.html", values)


def _month(month: str, owners: dict[str, list[dict[str, str]]]) -> dict[str, Any]:
    return {"month": month, "owners": [{"name": name, "files": files} for name, files in owners.items()]}


async def download(request: web.Request, viewer: Viewer) -> web.StreamResponse:
    """GET /rejestry/{owner}/{name}: one of the listed files; whatever is not listed for this person is absent."""
    parts, owner, name = request.app[PARTS], request.match_info["owner"], request.match_info["name"]
    if owner != CENTRAL and owner not in parts.municipality.units:
        raise HttpProblem("not_found")
    if not viewer.account.sees(None if owner == CENTRAL else owner):
        raise HttpProblem("not_found")
    raw = await registers.content(parts.folders_root, owner, name)
    if raw is None:
        raise HttpProblem("not_found")
    kind = _KINDS.get(name[name.rfind(".") :], "application/octet-stream")
    return as_file(request, raw, kind, name)
