"""The drop folder in the way this system can: by descriptors where there are any (POSIX), else by names (Windows)."""

import sys

if sys.platform == "win32":
    from gateway.folders.plainbox import Drop, DropFile
else:
    from gateway.folders.dropbox import Drop, DropFile
from gateway.folders.entries import HELD_PREFIX, ChangedError, OddEntryError

__all__ = ["HELD_PREFIX", "ChangedError", "Drop", "DropFile", "OddEntryError"]
