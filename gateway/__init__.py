"""Everything on the town's side: drop folders, HTTP drop-point, results, received invoices, status page."""
