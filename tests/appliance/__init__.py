"""The real installer in fresh machines: debootstrapped Debian roots with a real systemd, `python -m tests.appliance`.

Not in CI: it needs root, some 200 MB from Debian's mirror and twenty to forty minutes for each release of Debian, and
the suite has fifteen minutes for everything. What can be told without a machine is in
`tests/integration/test_appliance.py` and `tests/unit/test_upgrade.py`, `test_pulse.py`, `test_wizard.py`, which do run
there.
"""
