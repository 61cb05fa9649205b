"""Backups of the appliance: made beside running programs, put back while none runs (decision 0035).

contents ─ what belongs into one            manifest ─ what it says of itself
archive ─ the file: tar, for a recipient inside age     sealing ─ the encryption
volumes ─ the yearly archives beside them
disks ─ is it another disk, is there room   make, kept ─ making one, and which older ones go
restore ─ putting one back                  undo ─ the spool of before an upgrade
settings ─ the table [backup]
"""
