"""The /permissions endpoints of priority B: granted, effective, listed, taken away (contract §1, §7; protocol §15)."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sandbox_invoices import invoice, third
from sandbox_kit import NIP, OTHER_NIP, Box, poll

UNIT = f"{NIP}-12346"
PERSON = {"subjectDetailsType": "PersonByIdentifier", "personById": {"firstName": "Jan", "lastName": "Kowalski"}}
ROUTES = "/v2/permissions"


def body(**changes: Any) -> dict[str, Any]:
    """A grant request for OTHER_NIP."""
    common = {"subjectIdentifier": {"type": "Nip", "value": OTHER_NIP}, "description": "opis opis"}
    return common | {"subjectDetails": PERSON} | changes


def entity(**changes: Any) -> dict[str, Any]:
    """A grant request for OTHER_NIP as an entity."""
    return body(subjectDetails={"fullName": "Firma Druga"}) | changes


def ended(box: Box, token: str, answer: httpx.Response) -> int:
    """The final code of the operation that an answer started."""
    assert answer.status_code == 202, answer.text
    path = f"{ROUTES}/operations/{answer.json()['referenceNumber']}"
    look = poll(lambda: box.get(path, token).json(), lambda seen: seen["status"]["code"] != 100)
    return int(look["status"]["code"])


def login_code(box: Box, nip: str, context: tuple[str, str]) -> int:
    """How a login of a NIP into a context ends."""
    started = box.submit(box.signer(nip).login(box.challenge(), *context)).json()
    return int(box.auth_status(started)["status"]["code"])


def test_sandbox_permissions_operation_is_asynchronous(box: Box) -> None:
    """A grant answers 202; its operation shows 100, then 200; another context does not see it; 410 after 30 days."""
    box.switch(permission_delay_s=60)
    token = box.login()
    path = f"{ROUTES}/operations/"
    ref = box.post(f"{ROUTES}/persons/grants", token, body(permissions=["InvoiceRead"])).json()["referenceNumber"]
    assert ref[9:11] == "EG"
    assert box.get(path + ref, token).json()["status"]["code"] == 100
    assert login_code(box, OTHER_NIP, ("Nip", NIP)) == 415
    box.advance(61)
    assert box.get(path + ref, token).json()["status"]["code"] == 200
    assert login_code(box, OTHER_NIP, ("Nip", NIP)) == 200
    assert box.code(box.get(path + ref, box.login(OTHER_NIP))) == 21405
    box.advance(31 * 86_400)
    assert box.get(path + ref, box.login()).status_code == 410


@pytest.mark.parametrize("kind", ["persons", "entities"])
def test_sandbox_permissions_grant_works_until_revoked(box: Box, kind: str) -> None:
    """A grantee logs into the grantor's context and sends there; after revocation the login ends in 415."""
    token = box.login()
    wanted = body(permissions=["InvoiceWrite"])
    if kind == "entities":
        wanted = entity(permissions=[{"type": "InvoiceWrite", "canDelegate": True}])
    assert ended(box, token, box.post(f"{ROUTES}/{kind}/grants", token, wanted)) == 200
    worker = box.login(OTHER_NIP, ("Nip", NIP))
    box.accept(worker, invoice())
    assert box.post(f"{ROUTES}/persons/grants", worker, wanted).status_code == 403
    query = {"queryType": "PermissionsInCurrentContext"}
    listed = box.post(f"{ROUTES}/query/persons/grants", token, query).json()
    assert [(item["permissionScope"], item["canDelegate"]) for item in listed["permissions"]] == [
        ("InvoiceWrite", kind == "entities")
    ]
    gone = box.delete(f"{ROUTES}/common/grants/{listed['permissions'][0]['id']}", token)
    assert ended(box, token, gone) == 200
    assert login_code(box, OTHER_NIP, ("Nip", NIP)) == 415
    again = box.delete(f"{ROUTES}/common/grants/{listed['permissions'][0]['id']}", token)
    assert box.code(again) == 21405


def test_sandbox_permissions_persons_are_listed_by_author_and_scope(box: Box) -> None:
    """Lists page by 10, sort by date, and filter by author, subject, scope and state."""
    token = box.login()
    every = ["InvoiceRead", "InvoiceWrite", "Introspection", "CredentialsRead", "CredentialsManage", "SubunitManage"]
    for value in (OTHER_NIP, "7770001111"):
        asked = body(subjectIdentifier={"type": "Nip", "value": value}, permissions=every)
        assert ended(box, token, box.post(f"{ROUTES}/persons/grants", token, asked)) == 200

    def found(**filters: Any) -> Any:
        wanted = {"queryType": "PermissionsGrantedInCurrentContext"} | filters
        return box.post(f"{ROUTES}/query/persons/grants", token, wanted).json()

    assert (len(found()["permissions"]), found()["hasMore"]) == (10, True)
    assert len(found(permissionTypes=["Introspection"])["permissions"]) == 2
    assert len(found(authorizedIdentifier={"type": "Nip", "value": OTHER_NIP})["permissions"]) == 6
    assert found(permissionState="Inactive")["permissions"] == []
    assert found(authorIdentifier={"type": "Nip", "value": OTHER_NIP})["permissions"] == []
    page = box.post(f"{ROUTES}/query/persons/grants?pageOffset=1", token, {"queryType": "PermissionsInCurrentContext"})
    assert (len(page.json()["permissions"]), page.json()["hasMore"]) == (2, False)


def test_sandbox_permissions_subunit_grant_creates_an_internal_id(box: Box) -> None:
    """The administrator of a new InternalId grants InvoiceWrite there, and the worker sends from that context."""
    admin, worker = "7770001111", "7770002222"
    token = box.login()
    wanted = body(subjectIdentifier={"type": "Nip", "value": admin}, subunitName="Szkoła nr 1")
    wanted["contextIdentifier"] = {"type": "InternalId", "value": UNIT}
    assert ended(box, token, box.post(f"{ROUTES}/subunits/grants", token, wanted)) == 200
    listed = box.post(f"{ROUTES}/query/subunits/grants", token, {}).json()["permissions"]
    assert [(item["subunitIdentifier"]["value"], item["subunitName"]) for item in listed] == [(UNIT, "Szkoła nr 1")]
    manager = box.login(admin, ("InternalId", UNIT))
    assert box.post("/v2/sessions/online", manager, {}).status_code == 403
    given = body(subjectIdentifier={"type": "Nip", "value": worker}, permissions=["InvoiceWrite", "InvoiceRead"])
    assert ended(box, manager, box.post(f"{ROUTES}/persons/grants", manager, given)) == 200
    sender = box.login(worker, ("InternalId", UNIT))
    box.accept(sender, invoice(thirds=third(7, idwew=UNIT)))
    assert login_code(box, worker, ("Nip", NIP)) == 415


@pytest.mark.parametrize(
    ("context", "name"),
    [(f"{NIP}-12345", "Szkoła"), (f"{OTHER_NIP}-12346", "Szkoła"), (UNIT, None)],
    ids=["check digit", "another NIP", "no name"],
)
def test_sandbox_permissions_internal_id_must_be_right(box: Box, context: str, name: str | None) -> None:
    """A wrong check digit, another NIP's identifier or a missing name is 21405."""
    wanted = body(contextIdentifier={"type": "InternalId", "value": context}, subunitName=name)
    assert box.code(box.post(f"{ROUTES}/subunits/grants", box.login(), wanted)) == 21405


def test_sandbox_permissions_roles_of_a_jst_and_its_child(box: Box) -> None:
    """Only a JST may appoint an administrator of a child NIP; both sides see their roles."""
    token = box.login()
    wanted = body(contextIdentifier={"type": "Nip", "value": "7770003333"})
    assert ended(box, token, box.post(f"{ROUTES}/subunits/grants", token, wanted)) == 430
    jst = {"subjectNip": NIP, "subjectType": "JST", "description": "Gmina testowa"}
    jst["subunits"] = [{"subjectNip": "7770003333", "description": "Szkoła gminna"}]  # type: ignore[assignment]
    assert box.post("/v2/testdata/subject", body=jst).status_code == 200
    assert ended(box, token, box.post(f"{ROUTES}/subunits/grants", token, wanted)) == 200
    assert login_code(box, OTHER_NIP, ("Nip", "7770003333")) == 200
    mine = box.get(f"{ROUTES}/query/entities/roles", token).json()["roles"]
    assert [role["role"] for role in mine] == ["LocalGovernmentUnit"]
    child = box.get(f"{ROUTES}/query/entities/roles", box.login("7770003333")).json()["roles"]
    assert [(role["role"], role["parentEntityIdentifier"]["value"]) for role in child] == [
        ("LocalGovernmentSubUnit", NIP)
    ]
    below = box.post(f"{ROUTES}/query/subordinate-entities/roles", token, {}).json()["roles"]
    assert [role["subordinateEntityIdentifier"]["value"] for role in below] == ["7770003333"]


def test_sandbox_permissions_authorization_lets_another_issue(box: Box) -> None:
    """SelfInvoicing by grant: 410 before, 200 with it, 410 after its revocation; listed on both sides (§7, rule 5)."""
    token, buyer = box.login(), box.login(OTHER_NIP)

    def verdict() -> int:
        xml = invoice(NIP, buyer=OTHER_NIP, self_invoicing=True)
        return int(box.session(buyer).verdict(xml)["status"]["code"])

    assert verdict() == 410
    path = f"{ROUTES}/authorizations/grants"
    assert ended(box, token, box.post(path, token, entity(permission="SelfInvoicing"))) == 200
    assert verdict() == 200
    lists = f"{ROUTES}/query/authorizations/grants"
    given = box.post(lists, token, {"queryType": "Granted"}).json()["authorizationGrants"]
    got = box.post(lists, buyer, {"queryType": "Received"}).json()["authorizationGrants"]
    assert given == got
    assert given[0]["authorizationScope"] == "SelfInvoicing"
    assert box.post(lists, token, {"queryType": "Received"}).json()["authorizationGrants"] == []
    assert ended(box, token, box.delete(f"{path}/{given[0]['id']}", token)) == 200
    assert verdict() == 410


def test_sandbox_permissions_personal_and_received(box: Box) -> None:
    """An owner sees the owner's permissions and what others granted the entity; a worker their own."""
    token = box.login()
    wanted = entity(permissions=[{"type": "InvoiceRead"}])
    assert ended(box, token, box.post(f"{ROUTES}/entities/grants", token, wanted)) == 200
    owner = box.post(f"{ROUTES}/query/personal/grants", token, {}).json()
    assert (owner["permissions"], "InvoiceWrite" in owner["ownerPermissions"]) == ([], True)
    other = box.login(OTHER_NIP)
    received = box.post(f"{ROUTES}/query/entities/grants", other, {}).json()["permissions"]
    assert [(item["contextIdentifier"]["value"], item["permissionScope"]) for item in received] == [
        (NIP, "InvoiceRead")
    ]
    worker = box.post(f"{ROUTES}/query/personal/grants", box.login(OTHER_NIP, ("Nip", NIP)), {}).json()
    assert [item["permissionScope"] for item in worker["permissions"]] == ["InvoiceRead"]
    assert "ownerPermissions" not in worker


def test_sandbox_permissions_enforcement_needs_the_role(box: Box) -> None:
    """EnforcementOperations in a context without that role ends in 430 and gives nothing."""
    token = box.login()
    wanted = body(permissions=["EnforcementOperations"])
    assert ended(box, token, box.post(f"{ROUTES}/persons/grants", token, wanted)) == 430
    assert login_code(box, OTHER_NIP, ("Nip", NIP)) == 415


def test_sandbox_permissions_attachment_status(box: Box) -> None:
    """The status follows /testdata/attachment, with the end of the consent."""
    token = box.login()
    assert box.get(f"{ROUTES}/attachments/status", token).json() == {"isAttachmentAllowed": False}
    box.post("/v2/testdata/attachment", body={"nip": NIP})
    assert box.get(f"{ROUTES}/attachments/status", token).json() == {"isAttachmentAllowed": True}
    box.post("/v2/testdata/attachment/revoke", body={"nip": NIP, "expectedEndDate": "2099-01-01"})
    assert box.get(f"{ROUTES}/attachments/status", token).json()["revokedDate"].startswith("2099-01-01")


@pytest.mark.parametrize("path", ["/v2/permissions/nothing", "/v2/nothing/at/all"])
def test_sandbox_unknown_path_is_404_with_a_problem_body(box: Box, path: str) -> None:
    """What does not exist under /v2 answers 404 with problem+json."""
    answer = box.post(path, box.login(), {})
    assert answer.status_code == 404
    assert answer.headers["Content-Type"].startswith("application/problem+json")
    assert answer.json()["status"] == 404
