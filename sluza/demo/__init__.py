"""The demo: a story of three units and about ten invoices, told against the sandbox in under a minute."""
