"""The sync agent, everything on KSeF's side: log in, send, reconcile, fetch UPO and received invoices."""
