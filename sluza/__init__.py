"""The one command: wiring of the parts, CLI verbs, the demo. The only package that may import all others."""

__version__ = "0.1.0"
