"""Backups of the appliance: made beside running programs, put back while none runs (decision 0035).

contents ─ what belongs into one            manifest ─ what it says of itself
archive ─ the file: tar, for a recipient inside age     sealing ─ the encryption
disks ─ is it another disk, is there room   make ─ making one, and which older ones go
volumes ─ the yearly archives beside them
restore ─ putting one back                  settings ─ the table [backup]
"""
