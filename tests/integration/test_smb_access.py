"""Who gets into which share, on a real Samba with the fragment of `sluza shares` (faults X17, X20, X24; I7, I16)."""

import contextlib
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from smbprotocol.connection import Connection, Dialects
from smbprotocol.exceptions import SMBException
from smbprotocol.open import (
    CreateDisposition,
    CreateOptions,
    FileAttributes,
    FilePipePrinterAccessMask,
    ImpersonationLevel,
    InfoType,
    Open,
    ShareAccess,
    SMB2SetInfoRequest,
)
from smbprotocol.security_descriptor import AccessDeniedAce, AclPacket, SIDPacket, SMB2CreateSDBuffer
from smbprotocol.session import Session
from smbprotocol.tree import TreeConnect

from gateway.folders import layout
from tests.folders_bench import SCHOOL, WELFARE
from tests.smb_bench import UNITS, Client, Samba, needed, run, samba

needed()
DROP, OTHER_DROP = f"{SCHOOL}_{layout.OUTBOX}", f"{WELFARE}_{layout.OUTBOX}"
SECRET = b"faktura osrodka pomocy"


def _fill(server: Samba) -> None:
    """Folders as the gateway makes them, with something of the other unit in each."""
    for unit in UNITS:
        for name in layout.OF_A_UNIT:
            (server.folders / unit / name).mkdir(parents=True)
        for name in (layout.SENT, layout.OUTBOX):
            (server.folders / unit / name / "faktura.xml").write_bytes(SECRET if unit == WELFARE else b"szkola")
    (server.folders / layout.CENTRAL / layout.RECEIVED).mkdir(parents=True)
    (server.folders / layout.CENTRAL / layout.RECEIVED / "nieznana.xml").write_bytes(SECRET)
    server.own()


@pytest.fixture(scope="module", name="server")
def server_fixture() -> Iterator[Samba]:
    with samba() as found:
        _fill(found)
        yield found


@pytest.fixture(name="school")
def school_fixture(server: Samba) -> Iterator[Client]:
    with server.client() as found:
        yield found


def refused(work: Callable[..., Any], *args: Any, **more: Any) -> str:
    """The server says no; what it said."""
    with pytest.raises((SMBException, OSError, ValueError)) as told:
        work(*args, **more)
    return str(told.value)


def state(folder: Path) -> dict[str, bytes | None]:
    """Everything below a folder: names, and bytes of files."""
    return {str(p.relative_to(folder)): p.read_bytes() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def shown(server: Samba, user: str, password: str) -> list[str]:
    """The disk shares that the server lists for this account."""
    address = ("-g", "-p", str(server.port), "-L", "127.0.0.1", "-s", server.conf, "-U", f"{user}%{password}")
    lines = run("smbclient", *address, check=False).stdout.splitlines()
    return sorted(line.split("|")[1] for line in lines if line.startswith("Disk|"))


def test_fault_X20_a_unit_gets_into_no_other_units_share(server: Samba, school: Client) -> None:
    """Listing, reading, writing, both shares and the central tray: denied, and nothing has changed."""
    before = state(server.folders)
    for share in (WELFARE, OTHER_DROP, layout.CENTRAL, "cudzy"):
        assert "ACCESS_DENIED" in refused(school.call, "listdir", "", share=share)
        assert "ACCESS_DENIED" in refused(school.put, "a.xml", b"x", share=share)
        assert "ACCESS_DENIED" in refused(school.get, "faktura.xml", share=share)
    assert state(server.folders) == before


def test_fault_X20_nobody_learns_the_names_of_other_units(server: Samba) -> None:
    """The server lists for each account its own shares; for strangers none."""
    user = server.user(SCHOOL)
    assert set(shown(server, user, server.passwords[user])) & {SCHOOL, WELFARE, DROP, OTHER_DROP, layout.CENTRAL} == {
        SCHOOL, DROP,
    }  # fmt: skip
    assert {*shown(server, "", ""), *shown(server, "nobody", ""), *shown(server, user, "zle")} & {
        SCHOOL, WELFARE, DROP, OTHER_DROP, layout.CENTRAL,
    } == set()  # fmt: skip


@pytest.mark.parametrize("share", [SCHOOL, DROP, layout.CENTRAL])
def test_fault_X17_without_the_password_nobody_gets_in(server: Samba, share: str) -> None:
    """Wrong, empty and another unit's password, an unknown account, nobody, anonymous: although guests are mapped."""
    user, other = server.user(SCHOOL), server.passwords[server.user(WELFARE)]
    for name, password in ((user, "zle"), (user, ""), (user, other), ("nieznany", "x"), ("nobody", ""), ("", "")):
        login = ("-U", f"{name}%{password}") if name else ("-N",)
        address = ("-p", str(server.port), f"//127.0.0.1/{share}", "-s", server.conf)
        done = run("smbclient", *address, *login, "-c", "ls", check=False)
        assert done.returncode != 0, (name, done.stdout)
        assert "NT_STATUS_" in done.stdout


def test_fault_X20_a_unit_writes_only_below_its_drop_folder(server: Samba, school: Client) -> None:
    """The unit's own folder is shown and takes nothing: no file, no folder, no rename, no removal, not even below."""
    before = state(server.folders)
    assert school.get("wyslane\\faktura.xml", share=SCHOOL) == b"szkola"
    for name in ("nowy.xml", "wyslane\\nowy.xml", "do-wyslania\\nowy.xml", "wyslane\\faktura.xml"):
        refused(school.put, name, b"x", share=SCHOOL)
    refused(school.call, "mkdir", "nowy", share=SCHOOL)
    refused(school.call, "remove", "wyslane\\faktura.xml", share=SCHOOL)
    refused(school.call, "rmdir", "rejestry", share=SCHOOL)
    refused(school.move, "rename", "wyslane\\faktura.xml", "wyslane\\inna.xml", SCHOOL)
    refused(school.call, "utime", "wyslane\\faktura.xml", (1, 1), share=SCHOOL)
    assert state(server.folders) == before
    school.put("wolno.xml", b"x")
    school.put("offline24\\wolno.xml", b"x")
    school.call("remove", "wolno.xml")
    school.call("remove", "offline24\\wolno.xml")
    assert state(server.folders) == before


@pytest.mark.parametrize(
    "name",
    ["..\\wyslane\\faktura.xml", "offline24\\..\\..\\wyslane\\faktura.xml", "..\\..\\gops\\wyslane\\faktura.xml"],
)
def test_fault_X08_no_name_leads_out_of_the_drop_folder(server: Samba, name: str) -> None:
    """A name that climbs is sent as it is, not tidied by the client: nothing is opened, nothing made."""
    before = state(server.folders)
    with session(server, Dialects.SMB_3_1_1) as found:
        tree = connected(found)
        for climbing in (name, name.replace("faktura", "nowa"), name.replace("\\", "/"), f"\\{name}"):
            for disposition in (CreateDisposition.FILE_OPEN, CreateDisposition.FILE_OPEN_IF):
                with pytest.raises(SMBException):
                    opened(tree, climbing, disposition)
        assert opened(tree, "faktura.xml", CreateDisposition.FILE_OPEN)
    assert state(server.folders) == before


def test_fault_X09_a_link_in_the_drop_folder_shows_nothing(server: Samba, school: Client) -> None:
    """Somebody with a shell makes a link to another unit's file: Samba follows it not even inside the share."""
    inbox = server.folders / SCHOOL / layout.OUTBOX
    (inbox / "link.xml").symlink_to(server.folders / WELFARE / layout.SENT / "faktura.xml")
    (inbox / "w-srodku.xml").symlink_to(inbox / "faktura.xml")
    try:
        refused(school.get, "link.xml")
        refused(school.get, "w-srodku.xml")
    finally:
        (inbox / "link.xml").unlink()
        (inbox / "w-srodku.xml").unlink()


def test_fault_F07_a_unit_cannot_take_the_gateways_right_to_read(server: Samba, school: Client) -> None:
    """Attributes and an access list from a client change neither owner nor rights of what lies in the drop folder."""
    school.put("prawa.xml", b"x")
    path = server.folders / SCHOOL / layout.OUTBOX / "prawa.xml"
    try:
        before = (path.owner(), path.stat().st_mode & 0o777)
        server.tool(SCHOOL, DROP, "setmode prawa.xml +rsh")
        with session(server, Dialects.SMB_3_1_1) as found:
            _deny_everybody(found, "prawa.xml")
        assert (path.owner(), path.stat().st_mode & 0o777) == before == (server.settings.service_user, 0o660)
    finally:
        path.unlink()


def _deny_everybody(found: Session, name: str) -> None:
    """Put an access list on a file that lets nobody in; the server may take it without doing anything."""
    tree, right_to_do_so = connected(found), 0x00040000  # WRITE_DAC
    file = Open(tree, name)
    file.create(ImpersonationLevel.Impersonation, right_to_do_so, 0, 7, CreateDisposition.FILE_OPEN, 0)
    everybody, entry, entries, descriptor = SIDPacket(), AccessDeniedAce(), AclPacket(), SMB2CreateSDBuffer()
    everybody.from_string("S-1-1-0")
    entry["mask"], entry["sid"] = 0x001F01FF, everybody
    entries["aces"] = [entry]
    descriptor.set_dacl(entries)
    request = SMB2SetInfoRequest()
    request["info_type"], request["additional_information"] = InfoType.SMB2_0_INFO_SECURITY, 4
    request["file_id"], request["buffer"] = file.file_id, descriptor
    sent = found.connection.send(request, found.session_id, tree.tree_connect_id)
    with contextlib.suppress(SMBException):
        found.connection.receive(sent)
    file.close()


def test_the_admin_sees_the_central_tray_and_changes_nothing_there(server: Samba) -> None:
    """Reading only, and no unit's share."""
    with server.client(user=server.admin) as admin:
        assert admin.get("odebrane\\nieznana.xml", share=layout.CENTRAL) == SECRET
        refused(admin.put, "odebrane\\nowa.xml", b"x", share=layout.CENTRAL)
        assert "ACCESS_DENIED" in refused(admin.call, "listdir", "", share=SCHOOL)


# ---- X24: versions and encryption


@contextlib.contextmanager
def session(server: Samba, dialect: int) -> Iterator[Session]:
    """A session that negotiates at most this dialect."""
    connection = Connection(uuid.uuid4(), "127.0.0.1", server.port)
    try:
        connection.connect(dialect)
        user = server.user(SCHOOL)
        found = Session(connection, user, server.passwords[user], require_encryption=False)
        found.connect()
        yield found
    finally:
        connection.disconnect(True)


@pytest.mark.parametrize("dialect", [Dialects.SMB_2_0_2, Dialects.SMB_2_1_0])
def test_fault_X24_older_versions_are_refused(server: Samba, dialect: int) -> None:
    """SMB 2 does not get as far as a password."""
    with pytest.raises(SMBException), session(server, dialect):
        pass
    for version in ("NT1", "SMB2_10"):
        assert server.tool(SCHOOL, DROP, "ls", options=("-m", version)).returncode != 0


@pytest.mark.parametrize("dialect", [Dialects.SMB_3_0_2, Dialects.SMB_3_1_1])
def test_fault_X24_a_client_that_does_not_encrypt_is_refused(server: Samba, dialect: int) -> None:
    """It may log in, but the same request that is served encrypted is denied in the clear."""
    with session(server, dialect) as found:
        tree = connected(found)
        assert opened(tree, "faktura.xml", CreateDisposition.FILE_OPEN)
        tree.encrypt_data = found.encrypt_data = False
        with pytest.raises(SMBException) as told:
            opened(tree, "faktura.xml", CreateDisposition.FILE_OPEN)
        assert "ACCESS_DENIED" in str(told.value)
        tree.encrypt_data = True  # to say goodbye


def connected(found: Session, share: str = DROP) -> TreeConnect:
    """The share, at the level of single requests."""
    tree = TreeConnect(found, rf"\\127.0.0.1\{share}")
    tree.connect(require_secure_negotiate=False)
    return tree


def opened(tree: TreeConnect, name: str, disposition: int) -> bool:
    """Open and close a file by exactly this name."""
    file = Open(tree, name)
    file.create(
        ImpersonationLevel.Impersonation, FilePipePrinterAccessMask.GENERIC_READ, FileAttributes.FILE_ATTRIBUTE_NORMAL,
        ShareAccess.FILE_SHARE_READ, disposition, CreateOptions.FILE_NON_DIRECTORY_FILE,
    )  # fmt: skip
    file.close()
    return True


def test_fault_X24_a_looser_setting_keeps_encryption_apart_from_the_version() -> None:
    """SMB 2 allowed for the server's other shares: ours still open only to computers that encrypt; off means off."""
    with samba(min_protocol="SMB2_02") as strict:
        _fill(strict)
        done = strict.tool(SCHOOL, DROP, "ls", options=("-m", "SMB2_10"))
        assert (done.returncode, "NT_STATUS_ACCESS_DENIED" in done.stdout) == (1, True)
        assert strict.tool(SCHOOL, DROP, "ls").returncode == 0
    with samba(min_protocol="SMB2_02", encryption="off") as loose:
        _fill(loose)
        assert loose.tool(SCHOOL, DROP, "ls", options=("-m", "SMB2_10")).returncode == 0
