"""The SQL of every schema step, in order; `spool.migrations` names the steps and runs them."""

FIRST = """
CREATE TABLE body (                   -- with a rowid: in order of hash, each would spill onto a page of its own
    sha256 TEXT PRIMARY KEY,          -- lower-case hex of the exact bytes
    size   INTEGER NOT NULL,          -- bytes before packing
    packed BLOB NOT NULL              -- zlib
);

CREATE TABLE document (
    seq           INTEGER PRIMARY KEY,  -- order of arrival; the cursor of paged lists
    id            TEXT NOT NULL UNIQUE,
    unit          TEXT NOT NULL,
    context       TEXT NOT NULL,
    sha256        TEXT NOT NULL REFERENCES body(sha256),
    size          INTEGER NOT NULL,
    source        TEXT NOT NULL,      -- folder | http | cli
    source_name   TEXT NOT NULL,      -- as the unit called it; a label, never a path
    name          TEXT NOT NULL,      -- Windows-safe stem of our files about it
    state         TEXT NOT NULL,
    reason        TEXT NOT NULL,      -- Polish, for WAITING, HELD, UNKNOWN, CONFLICT
    facts         TEXT NOT NULL,      -- JSON, spool.domain.document.Facts
    problems      TEXT NOT NULL,      -- JSON list, spool.domain.errors.Problem
    seller_nip    TEXT NOT NULL,
    kind          TEXT NOT NULL,
    number_key    TEXT NOT NULL,      -- P_2, white space collapsed
    issue_date    TEXT NOT NULL,
    mode          TEXT NOT NULL,
    issued_at     TEXT NOT NULL,
    due_safe      TEXT,
    due_local     TEXT,
    due_basis     TEXT NOT NULL,
    due_why       TEXT NOT NULL,
    next_action_at TEXT NOT NULL,
    attempts      INTEGER NOT NULL DEFAULT 0,
    session       TEXT,               -- KSeF reference of the session of the last attempt
    invoice_ref   TEXT,               -- KSeF reference of the document in that session
    ksef_number   TEXT UNIQUE,
    acquisition_date TEXT,
    upo_sha256    TEXT REFERENCES body(sha256),
    created_at    TEXT NOT NULL,
    updated_at    TEXT NOT NULL,
    version       INTEGER NOT NULL DEFAULT 1,   -- rises with every change
    shown         INTEGER NOT NULL DEFAULT 0,   -- version last written into the unit's folder
    UNIQUE (unit, sha256)
);
CREATE INDEX document_work ON document (state, context, next_action_at);
CREATE INDEX document_due ON document (due_safe) WHERE ksef_number IS NULL;
CREATE INDEX document_unshown ON document (seq) WHERE shown < version;
CREATE INDEX document_unit ON document (unit, seq);
CREATE INDEX document_sha ON document (sha256);
CREATE INDEX document_name ON document (unit, name);
CREATE INDEX document_number ON document (seller_nip, kind, number_key);
CREATE UNIQUE INDEX document_number_held ON document (seller_nip, kind, number_key)
    WHERE number_key <> '' AND state NOT IN ('REFUSED', 'WITHDRAWN', 'CEASED', 'QUARANTINED');

CREATE TABLE event (                  -- history and audit log in one: append-only, hash-chained
    seq      INTEGER PRIMARY KEY,
    at       TEXT NOT NULL,
    subject  TEXT NOT NULL,           -- document id, KSeF number of a received invoice, context:<id>, unit:<id>
    actor    TEXT NOT NULL,           -- gateway | agent | a person's name
    move     TEXT NOT NULL,           -- "FROM>TO" for a move, else a word
    note     TEXT NOT NULL,           -- Polish sentence
    data     TEXT NOT NULL,           -- JSON
    previous TEXT NOT NULL,           -- hash of the row before, 64 zeros for the first
    hash     TEXT NOT NULL
);
CREATE INDEX event_subject ON event (subject, seq);

CREATE TABLE attempt (                -- the intent, committed before the call to KSeF
    id          INTEGER PRIMARY KEY,
    document    TEXT NOT NULL REFERENCES document(id),
    sha256      TEXT NOT NULL,
    session     TEXT NOT NULL,
    invoice_ref TEXT,                 -- KSeF reference of the document in that session, once it is known
    started_at  TEXT NOT NULL,
    ended_at    TEXT,
    outcome     TEXT                  -- submitted | accepted | refused | later | held | unknown | absent
);
CREATE INDEX attempt_document ON attempt (document, id);
CREATE INDEX attempt_started ON attempt (started_at);

CREATE TABLE session (
    reference   TEXT PRIMARY KEY,
    context     TEXT NOT NULL,
    form        TEXT NOT NULL,
    opened_at   TEXT NOT NULL,
    valid_until TEXT NOT NULL,
    closed_at   TEXT,
    final_at    TEXT,
    lost_at     TEXT                  -- KSeF does not know it, and it is past its end: not asked about any more
) WITHOUT ROWID;

CREATE TABLE received (
    cursor       INTEGER PRIMARY KEY,
    ksef_number  TEXT NOT NULL UNIQUE,
    context      TEXT NOT NULL,
    sha256       TEXT NOT NULL REFERENCES body(sha256),
    facts        TEXT NOT NULL,       -- JSON
    metadata     TEXT NOT NULL,       -- JSON as KSeF gave it
    acquisition_date TEXT NOT NULL,
    permanent_storage_date TEXT NOT NULL,
    unit         TEXT,                -- NULL: central tray
    rule         TEXT NOT NULL,       -- which routing rule decided
    why          TEXT NOT NULL,       -- Polish sentence
    stored_at    TEXT NOT NULL,
    mirrored_at  TEXT
);
CREATE INDEX received_unit ON received (unit, cursor);
CREATE INDEX received_unmirrored ON received (cursor) WHERE mirrored_at IS NULL;

CREATE TABLE mark (                   -- high-water mark of receiving
    context TEXT NOT NULL,
    subject TEXT NOT NULL,            -- Subject1 | Subject2 | Subject3 | SubjectAuthorized
    upto    TEXT NOT NULL,
    PRIMARY KEY (context, subject)
) WITHOUT ROWID;

CREATE TABLE condition (              -- conditions of a context: pause, reachability … (DESIGN decision 11)
    context TEXT NOT NULL,
    name    TEXT NOT NULL,
    value   TEXT NOT NULL,            -- JSON
    at      TEXT NOT NULL,
    PRIMARY KEY (context, name)
) WITHOUT ROWID;

CREATE TABLE unit_token (
    hash       TEXT PRIMARY KEY,      -- SHA-256 of a 256-bit random token
    unit       TEXT NOT NULL,
    created_at TEXT NOT NULL,
    revoked_at TEXT
) WITHOUT ROWID;

CREATE TABLE idempotency (
    unit   TEXT NOT NULL,
    key    TEXT NOT NULL,
    sha256 TEXT NOT NULL,
    at     TEXT NOT NULL,
    PRIMARY KEY (unit, key)
) WITHOUT ROWID;

CREATE TRIGGER event_never_changes BEFORE UPDATE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END;
CREATE TRIGGER event_never_goes BEFORE DELETE ON event BEGIN SELECT RAISE(ABORT, 'event is append-only'); END;
"""

ANNOUNCEMENTS = """
ALTER TABLE document ADD COLUMN wish TEXT NOT NULL DEFAULT 'online';   -- online | offline24, as asked for
ALTER TABLE document ADD COLUMN asked_at TEXT NOT NULL DEFAULT '';     -- when the bytes were frozen here
ALTER TABLE document ADD COLUMN deemed INTEGER NOT NULL DEFAULT 0;     -- offline24 by art. 106nda(16), not by wish
ALTER TABLE document ADD COLUMN due_state TEXT NOT NULL DEFAULT 'open';
ALTER TABLE document ADD COLUMN due_because TEXT NOT NULL DEFAULT '';  -- announcement that last changed the date
ALTER TABLE document ADD COLUMN announcements TEXT NOT NULL DEFAULT '[]'; -- JSON: every announcement used
ALTER TABLE document ADD COLUMN handed_over_at TEXT;                   -- KSeF accepted it for processing
ALTER TABLE document ADD COLUMN kod2_url TEXT NOT NULL DEFAULT '';
ALTER TABLE document ADD COLUMN cert_serial TEXT NOT NULL DEFAULT '';  -- of the Offline certificate behind KOD II
ALTER TABLE document ADD COLUMN corrects TEXT NOT NULL DEFAULT '';     -- technical correction: sha256 of the original
ALTER TABLE document ADD COLUMN owed INTEGER NOT NULL DEFAULT 0;       -- refused by KSeF after it was issued offline
ALTER TABLE document ADD COLUMN awaits TEXT NOT NULL DEFAULT '';       -- refused until this number_key has its KSeF no.
UPDATE document SET asked_at = issued_at, wish = CASE mode WHEN 'offline24' THEN 'offline24' ELSE 'online' END;
CREATE INDEX document_awaits ON document (seller_nip, awaits) WHERE awaits <> '';
CREATE INDEX document_owed ON document (seller_nip, unit) WHERE owed;
CREATE INDEX document_corrects ON document (corrects) WHERE corrects <> '';
CREATE INDEX document_dutiable ON document (seq)
    WHERE owed OR (ksef_number IS NOT NULL AND due_state = 'overdue')
    OR (ksef_number IS NULL AND state NOT IN ('REFUSED', 'WITHDRAWN', 'CEASED', 'QUARANTINED'));

CREATE TABLE notice (                 -- what the status beacon said, raw, as evidence; never changed
    seq         INTEGER PRIMARY KEY,
    environment TEXT NOT NULL,
    event       TEXT NOT NULL,        -- eventId: groups the messages of one event
    message     TEXT NOT NULL,        -- id
    version     INTEGER NOT NULL,
    raw         TEXT NOT NULL,
    sha256      TEXT NOT NULL,
    seen_at     TEXT NOT NULL,        -- when we first read it
    UNIQUE (environment, sha256)
);
CREATE INDEX notice_event ON notice (environment, event);

CREATE TABLE announcement (           -- the periods that we reckon with, put together from notices or by a person
    id            TEXT PRIMARY KEY,
    environment   TEXT NOT NULL,
    category      TEXT NOT NULL,      -- maintenance | failure | total_failure
    start         TEXT NOT NULL,
    "end"         TEXT,
    published     TEXT NOT NULL,      -- of the notice of occurrence
    end_published TEXT,
    version       INTEGER NOT NULL,
    source        TEXT NOT NULL,      -- latarnia | person
    title         TEXT NOT NULL,
    link          TEXT NOT NULL,      -- to the notice in BIP or the media, where a person entered it
    actor         TEXT NOT NULL,
    confirmed_by  TEXT NOT NULL,      -- a total failure acts only after a person confirmed it
    cancelled_by  TEXT NOT NULL,      -- entered by mistake: acts no more
    revision      INTEGER NOT NULL    -- rises with every change of any announcement
) WITHOUT ROWID;

CREATE TRIGGER notice_never_changes BEFORE UPDATE ON notice BEGIN SELECT RAISE(ABORT, 'notice is append-only'); END;
CREATE TRIGGER notice_never_goes BEFORE DELETE ON notice BEGIN SELECT RAISE(ABORT, 'notice is append-only'); END;
"""

ALARMS = """
ALTER TABLE document ADD COLUMN passed_told TEXT;  -- the due_safe that passed and was told: people know of it
UPDATE document SET passed_told = due_safe WHERE ksef_number IS NOT NULL; -- what was late before there were alarms
CREATE INDEX document_open ON document (unit, due_safe, mode, created_at)
    WHERE due_safe IS NOT NULL AND ksef_number IS NULL
    AND (owed OR state NOT IN ('REFUSED', 'WITHDRAWN', 'CEASED', 'QUARANTINED'))
    AND (handed_over_at IS NULL OR state IN ('UNKNOWN', 'CONFLICT'));
CREATE INDEX document_passing ON document (unit, due_safe)
    WHERE due_safe IS NOT NULL AND passed_told IS NOT due_safe
    AND (owed OR state NOT IN ('REFUSED', 'WITHDRAWN', 'CEASED', 'QUARANTINED'))
    AND ((due_state = 'overdue' AND mode <> 'online')
    OR (ksef_number IS NULL AND (handed_over_at IS NULL OR state IN ('UNKNOWN', 'CONFLICT'))));

CREATE TABLE sooner (                 -- documents whose date came sooner than expected, until that is told
    document TEXT PRIMARY KEY REFERENCES document(id),
    due      TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE alarm (                  -- what people were told before (or when) a date passed: never changes
    id        INTEGER PRIMARY KEY,
    unit      TEXT NOT NULL,
    step      TEXT NOT NULL,          -- spool.domain.ladder.Step
    due       TEXT NOT NULL,          -- due_safe of its documents, of several the latest
    part      INTEGER NOT NULL,       -- 0; above it only where more documents were found for a step told at once
    documents TEXT NOT NULL,          -- JSON list of ids
    sentence  TEXT NOT NULL,          -- Polish, one line: for the page, and the subject of the mail
    text      TEXT NOT NULL,          -- Polish: the mail as it went out
    at        TEXT NOT NULL,
    over_at   TEXT,                   -- when none of it was open any more, or a graver alarm took its place
    UNIQUE (unit, due, step, part)
);
CREATE INDEX alarm_open ON alarm (unit, due) WHERE over_at IS NULL;
CREATE INDEX alarm_step ON alarm (step, unit, at);
CREATE INDEX alarm_at ON alarm (at);

CREATE TABLE alarm_mail (             -- one alarm to one address
    alarm   INTEGER NOT NULL REFERENCES alarm(id),
    address TEXT NOT NULL,
    tries   INTEGER NOT NULL DEFAULT 0,
    next_at TEXT NOT NULL,            -- not tried before
    error   TEXT NOT NULL DEFAULT '', -- Polish, of the last try that failed
    sent_at TEXT,                     -- the server took it
    PRIMARY KEY (alarm, address)
) WITHOUT ROWID;
CREATE INDEX alarm_mail_unsent ON alarm_mail (alarm) WHERE sent_at IS NULL;

CREATE TRIGGER alarm_never_changes BEFORE UPDATE OF id, unit, step, due, part, documents, sentence, text, at ON alarm
    BEGIN SELECT RAISE(ABORT, 'alarm is append-only'); END;
CREATE TRIGGER alarm_never_goes BEFORE DELETE ON alarm BEGIN SELECT RAISE(ABORT, 'alarm is append-only'); END;
"""

PACKAGES = """
ALTER TABLE session ADD COLUMN kind TEXT NOT NULL DEFAULT 'online';        -- online | batch
ALTER TABLE document ADD COLUMN attachment INTEGER NOT NULL DEFAULT 0;     -- goes by batch session only
UPDATE document SET attachment = 1 WHERE json_extract(facts, '$.has_attachment');
CREATE INDEX document_queue ON document (context, ifnull(due_safe, '~'), unit, seq) WHERE state = 'QUEUED';
CREATE INDEX document_queue_attached ON document (context) WHERE state = 'QUEUED' AND attachment;
CREATE INDEX document_session ON document (session) WHERE session IS NOT NULL AND ksef_number IS NULL;
CREATE INDEX attempt_session ON attempt (session);

CREATE TABLE package (                -- a batch package on its way, until KSeF has it or it is given up
    name       TEXT PRIMARY KEY,      -- ours: its folder, and the session of its documents until KSeF names one
    context    TEXT NOT NULL,
    session    TEXT UNIQUE,           -- KSeF reference, once it was opened
    created_at TEXT NOT NULL
) WITHOUT ROWID;

CREATE TABLE part (                   -- one encrypted part of a package, and where KSeF wants it
    package TEXT NOT NULL REFERENCES package(name) ON DELETE CASCADE,
    ordinal INTEGER NOT NULL,
    size    INTEGER NOT NULL,         -- bytes, encrypted
    hash    TEXT NOT NULL,            -- Base64 SHA-256 of the encrypted bytes
    url     TEXT NOT NULL,
    headers TEXT NOT NULL,            -- JSON
    sent_at TEXT,                     -- KSeF's storage took it
    PRIMARY KEY (package, ordinal)
) WITHOUT ROWID;

CREATE TABLE budget (                 -- what a context has spent of KSeF's limits, and its bans: survives a restart
    context TEXT PRIMARY KEY,
    value   TEXT NOT NULL,            -- JSON, agent.ksef.budget.Budget.as_dict
    at      TEXT NOT NULL
) WITHOUT ROWID;
"""

IDENTITY = """
CREATE TABLE fence (                  -- one row for each time that a program took its role; the newest one writes
    number      INTEGER PRIMARY KEY,  -- rises over all roles: it names one run of one program
    role        TEXT NOT NULL,        -- gateway | agent | reconcile
    holder      TEXT NOT NULL,        -- its process, as the lock file names it
    taken_at    TEXT NOT NULL,
    after_event INTEGER NOT NULL      -- the last history row before it
);
CREATE INDEX fence_role ON fence (role, number);

CREATE TABLE identity (               -- one row: which installation this is, and where it lives
    instance TEXT NOT NULL,
    machine  TEXT NOT NULL,           -- hash of the machine's own id; empty where it has none
    inode    INTEGER NOT NULL         -- of this file: another one after it was copied
);

ALTER TABLE event ADD COLUMN fence INTEGER; -- the run that wrote it, 0 for a command; NULL before this step
"""

CRASHES = """
CREATE TABLE crash (                  -- what a process had in its hands when it died, until it was handled well
    subject TEXT NOT NULL,            -- document id, KSeF number of a received invoice, sha256:<hash of a delivery>
    role    TEXT NOT NULL,            -- gateway | agent
    times   INTEGER NOT NULL,
    at      TEXT NOT NULL,            -- of the last time
    PRIMARY KEY (subject, role)
) WITHOUT ROWID;
DROP INDEX received_unmirrored;
CREATE INDEX received_unmirrored ON received (unit, cursor) WHERE mirrored_at IS NULL;
"""

SERIES = """
ALTER TABLE document ADD COLUMN series TEXT NOT NULL DEFAULT '';       -- its number without the running part; '': none
ALTER TABLE document ADD COLUMN series_n INTEGER NOT NULL DEFAULT 0;   -- the running part
ALTER TABLE document ADD COLUMN in_order INTEGER NOT NULL DEFAULT 0;   -- goes only after the earlier numbers
ALTER TABLE document ADD COLUMN held_back INTEGER NOT NULL DEFAULT 0;  -- while QUEUED: an earlier number is open
ALTER TABLE document ADD COLUMN parked INTEGER NOT NULL DEFAULT 0;     -- while HELD: a person holds it
UPDATE document SET parked = 1 WHERE state = 'HELD' AND (SELECT actor FROM event WHERE subject = document.id
    AND move LIKE '%>HELD' ORDER BY seq DESC LIMIT 1) NOT IN ('agent', 'gateway', 'spool');
DROP INDEX document_queue;
CREATE INDEX document_queue ON document (context, ifnull(due_safe, '~'), unit, seq)
    WHERE state = 'QUEUED' AND NOT held_back;
CREATE INDEX document_held_back ON document (context, unit, series, ifnull(due_safe, '~'))
    WHERE state = 'QUEUED' AND held_back;
CREATE INDEX document_series ON document (unit, series, series_n) WHERE series <> ''
    AND (state IN ('QUEUED', 'WAITING', 'SENDING', 'SUBMITTED', 'UNKNOWN') OR (state = 'HELD' AND NOT parked));
CREATE INDEX document_in_turn ON document (unit, series, series_n) WHERE state = 'QUEUED' AND in_order
    AND NOT held_back;
"""

SEATS = """
CREATE TABLE seat (                   -- which computer looks after the folders of a remote unit
    unit     TEXT PRIMARY KEY,
    client   TEXT NOT NULL,           -- the random name that the client gave itself
    computer TEXT NOT NULL,           -- as people call it
    since    TEXT NOT NULL,
    seen_at  TEXT NOT NULL
) WITHOUT ROWID;
"""
