"""Yearly archives: bodies of invoices that are over leave the spool for sealed files beside it (decision 0041).

seal ─ writing a volume, in a worker        run ─ entering it, and moving the bodies, group by group
look ─ is it still what it was              record ─ how the archives stand        settings ─ the table [archive]
"""
