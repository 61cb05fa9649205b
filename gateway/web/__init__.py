"""The admin listener, never on the drop-point: a read-only status page in Polish, `/readyz`, `/metrics`."""
