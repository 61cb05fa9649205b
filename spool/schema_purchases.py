"""The SQL of the schema step behind assigned purchases; `spool.migrations` names the steps and runs them."""

PURCHASES = """
ALTER TABLE received ADD COLUMN remarks TEXT NOT NULL DEFAULT '[]';     -- JSON list, spool.domain.errors.Problem
ALTER TABLE received ADD COLUMN seller_nip TEXT NOT NULL DEFAULT '';
ALTER TABLE received ADD COLUMN number_key TEXT NOT NULL DEFAULT '';
ALTER TABLE received ADD COLUMN assigned_by TEXT NOT NULL DEFAULT '';   -- a person; empty while only rules decided
ALTER TABLE received ADD COLUMN tray_told INTEGER NOT NULL DEFAULT 0;   -- people were told that it lies in the tray
UPDATE received SET seller_nip = ifnull(facts ->> 'seller_nip', ''), number_key = trim(ifnull(facts ->> 'number', ''));
CREATE INDEX received_seller ON received (seller_nip, number_key);
CREATE INDEX received_tray ON received (stored_at) WHERE unit IS NULL;

CREATE TABLE recalled (               -- copies of received invoices that belong to another now: to be taken away
    ksef_number TEXT NOT NULL REFERENCES received(ksef_number),
    owner       TEXT NOT NULL,        -- the unit in whose folder one may lie; _centrala for the central tray
    at          TEXT NOT NULL,
    PRIMARY KEY (ksef_number, owner)
) WITHOUT ROWID;
"""
