"""The folders of the units: taking what they drop, and writing back what became of it.

do-wyslania/ ─ box ─ settling ─ pickup ─► door ─► front door (here) or the line (`gateway.remote`) ─► intake ─► spool
w-toku/ wyslane/ odrzucone/ odebrane/ ◄─ filing ◄─ returns ─ outcome, mirror (here) or the line ◄─ spool

What only touches folders runs on a unit's own computer too, Windows among them: alerts, box, door, drops, events,
filing, layout, notes, pickup, placing, refusals, settling. It imports nothing of the spool's database, no parser and
nothing that only a POSIX system has (`tests/test_remote_imports.py`). dropbox, renaming: POSIX. plainbox: Windows.
copies, leftovers, mirror, outcome, presence, returns, setup, watcher: the gateway's, over the spool.
"""
