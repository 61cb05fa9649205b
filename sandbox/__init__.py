"""A simulator of KSeF 2.0 that stands alone: reached over HTTP only, it imports nothing of Śluza and no KSeF SDK."""
