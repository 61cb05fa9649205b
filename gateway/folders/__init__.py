"""The folders of the units: taking what they drop, and writing back what became of it.

do-wyslania/ ─ watcher ─ settling ─ pickup ─► intake ─► spool
w-toku/ wyslane/ odrzucone/ odebrane/ ◄─ returns ─ results, mirror ◄─ spool
"""

from gateway.folders.layout import set_up
from gateway.folders.presence import Presence
from gateway.folders.returns import Returns
from gateway.folders.watcher import Watcher

__all__ = ["Presence", "Returns", "Watcher", "set_up"]
