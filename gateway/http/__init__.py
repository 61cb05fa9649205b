"""The HTTP drop-point (DESIGN 4.5): a door for programs of the units, HTTPS with our own CA by default."""
