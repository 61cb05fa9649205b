"""KSeF itself: the seam (`api`), the one SDK import (`client`), transport, errors, login, session, sealing, budget."""
