"""Keys and certificates: KSeF authentication and offline, KOD II, TLS of the drop-point. Code only, never keys."""
