"""The admin listener: a read-only status page in Polish, `/readyz` with details, `/metrics`. Never on the drop-point."""
