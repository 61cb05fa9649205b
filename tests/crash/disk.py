"""A disk that loses power: from the record of what was done to files to images of what may be left of them.

Certain are the bytes that were synced and the names whose directory was synced. Of everything else any part may be
there: writes in another order, torn into sectors or pages, names without their bytes. Nothing is presumed of a
particular file system, only that a rename is one step.
"""

import os
import random
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

_ROW = struct.Struct("<iiqqII")
_DIRECTORY = "directory"


@dataclass(frozen=True)
class Step:
    """One row of the record."""

    op: str
    fd: int
    a: int
    b: int
    path: str
    data: bytes


def steps(record: Path) -> Iterator[Step]:
    """The rows in the order in which things happened."""
    raw = record.read_bytes()
    at = 0
    while at < len(raw):
        op, fd, a, b, path, data = _ROW.unpack_from(raw, at)
        at += _ROW.size
        yield Step(chr(op), fd, a, b, os.fsdecode(raw[at : at + path]), raw[at + path : at + path + data])
        at += path + data


@dataclass
class _Change:
    """A write at `at`, or (data None) a change of the length to `at`."""

    at: int
    data: bytes | None
    certain: bool = False
    hopeless: bool = False
    """A sync over it failed: the kernel thinks it clean and never writes it, whatever later syncs say."""

    def do(self, content: bytearray, kept: random.Random | None = None) -> None:
        if self.data is None:
            content[self.at :] = bytes(max(0, self.at - len(content)))
            return
        for start, piece in _torn(self.at, self.data, kept):
            content.extend(bytes(max(0, start - len(content))))
            content[start : start + len(piece)] = piece


@dataclass
class _File:
    base: bytearray = field(default_factory=bytearray)
    changes: list[_Change] = field(default_factory=list)

    def synced(self) -> None:
        for change in self.changes:
            change.certain = change.certain or not change.hopeless
        if all(change.certain for change in self.changes):
            for change in self.changes:
                change.do(self.base)
            self.changes = []

    def not_synced(self) -> None:
        for change in self.changes:
            change.hopeless = not change.certain

    def left(self, dice: random.Random, share: float) -> bytes:
        content = bytearray(self.base)
        for change in self.changes:
            if change.certain:
                change.do(content)
            elif dice.random() < share:
                change.do(content, dice if dice.random() < _TORN else None)
        return bytes(content)


_TORN = 0.3


@dataclass(frozen=True)
class _Naming:
    """A name given to `node`, moved on to `new` together with it, or (no node) taken away; not yet certain.

    A move that became certain has its node under the new name, whatever became of the old one.
    """

    path: str
    node: _File | str | None = None
    new: str = ""

    def touches(self, directory: str) -> bool:
        return directory in (_parent(self.path), _parent(self.new))

    def do(self, names: dict[str, _File | str]) -> None:
        if self.new or self.node is None:
            names.pop(self.path, None)
        if self.node is not None:
            names[self.new or self.path] = self.node


class Disk:
    """The state of the recorded directory `root` after the steps played so far: what is certain, and what is not."""

    def __init__(self, root: Path) -> None:
        self._root = os.fspath(root)
        self._now: dict[str, _File | str] = {self._root: _DIRECTORY}
        self._certain: dict[str, _File | str] = {self._root: _DIRECTORY}
        self._names: list[_Naming] = []
        self._open: dict[int, _File | str] = {}
        self._paths: dict[int, str] = {}

    def play(self, step: Step) -> None:
        """One more step."""
        match step.op:
            case "O":
                self._opened(step)
            case "M":
                self._name(_Naming(step.path, _DIRECTORY))
            case "U":
                self._name(_Naming(step.path))
            case "R":
                self._name(_Naming(step.path, self._now[step.path], os.fsdecode(step.data)))
            case "W":
                self._change(step.fd, _Change(step.a, step.data))
            case "T":
                self._change(step.fd, _Change(step.a, None))
            case "A":
                self._change(step.fd, _Change(max(step.a, self._length(step.fd)), None))
            case "S":
                self._synced(step.fd)
            case "F":
                if isinstance(file := self._open[step.fd], _File):
                    file.not_synced()

    def image(self, directory: Path, dice: random.Random) -> None:
        """What may be found after the power went now, written below `directory`."""
        share = dice.choice((0.0, 0.1, 0.5, 0.9, 1.0))
        names = dict(self._certain)
        in_order, until = dice.random() < 0.5, dice.randint(0, len(self._names))
        for number, naming in enumerate(self._names):
            if number < until if in_order else dice.random() < share:
                naming.do(names)
        for path in sorted(names):
            node, target = names[path], directory / os.path.relpath(path, self._root)
            if not target.parent.is_dir():
                continue  # its directory has been lost, and it with it
            if isinstance(node, str):
                target.mkdir(exist_ok=True)
            elif not path.endswith("-shm"):  # never synced by anybody: SQLite makes it anew
                target.write_bytes(node.left(dice, share))

    def _opened(self, step: Step) -> None:
        if step.b:
            self._name(_Naming(step.path, _File()))
        node = self._now.get(step.path, _DIRECTORY)
        self._open[step.fd], self._paths[step.fd] = node, step.path
        if step.a & os.O_TRUNC and not step.b:
            self._change(step.fd, _Change(0, None))

    def _name(self, naming: _Naming) -> None:
        naming.do(self._now)
        self._names.append(naming)

    def _change(self, fd: int, change: _Change) -> None:
        file = self._open[fd]
        assert isinstance(file, _File)
        file.changes.append(change)

    def _length(self, fd: int) -> int:
        file = self._open[fd]
        assert isinstance(file, _File)
        content = bytearray(file.base)
        for change in file.changes:
            change.do(content)
        return len(content)

    def _synced(self, fd: int) -> None:
        node = self._open[fd]
        if isinstance(node, _File):
            node.synced()
            return
        kept = []
        for naming in self._names:
            if naming.touches(self._paths[fd]):
                naming.do(self._certain)
            else:
                kept.append(naming)
        self._names = kept


def _parent(path: str) -> str:
    return path.rpartition("/")[0]


def _torn(at: int, data: bytes, dice: random.Random | None) -> Iterator[tuple[int, bytes]]:
    """The pieces of a write that reached the disk; all of it without dice."""
    if dice is None:
        yield at, data
        return
    size, share = dice.choice((512, 4096)), dice.random()
    start = 0
    while start < len(data):
        end = min(len(data), start + size - (at + start) % size)
        if dice.random() < share:
            yield at + start, data[start:end]
        start = end
