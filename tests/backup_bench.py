"""A small town's spool with its configuration and keys, for tests of backups."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

from sluza.samples import MUNICIPALITY_NIP, invoice
from spool.access import FILE, Spool
from spool.backup.make import Made, Plan, make
from spool.domain.backups import Keep
from spool.domain.deadlines import due
from spool.domain.ledger import Document, NewDocument
from spool.domain.states import Mode, State
from spool.domain.document import Facts
from spool.bodies import sha256_hex
from spool.xml.received import read_received

NOW = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
CONFIG = f"""
[municipality]
name = "Gmina Przykładowa"
nip = "{MUNICIPALITY_NIP}"

[paths]
state = "state"
folders = "folders"
reserve_mb = 0

[[context]]
id = "gmina"
value = "{MUNICIPALITY_NIP}"
environment = "sandbox"
url = "http://127.0.0.1:9/v2"
token_file = "ksef.token"

[[unit]]
id = "sp1"
name = "Szkoła Podstawowa nr 1"
context = "gmina"

[receive]
since = 2026-11-01

[backup]
directory = "kopie"
same_disk = true
"""
SECRET = "sekret-tokenu-KSeF-91"
