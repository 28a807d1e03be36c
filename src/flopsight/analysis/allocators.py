"""What an allocator takes from a device for the storages of a run, which come in sizes of its own. Needs no torch."""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass

from flopsight.calls import Allocation

_ROUND = 512
_SMALL = 2**20
_SMALL_SEGMENT = 2 * 2**20
_LARGE_SEGMENT = 20 * 2**20
_MIDDLE = 10 * 2**20
"""The constants of PyTorch's caching allocator, c10/core/AllocatorConfig.h: a storage takes a multiple of 512 bytes; of
up to 1 MiB it comes from segments of 2 MiB, of less than 10 MiB from segments of 20 MiB, and else from a segment of its
own, a multiple of 2 MiB. Segments are kept.
"""


@dataclass
class _Block:
    """A part of a segment."""

    nbytes: int
    small: bool
    free: bool = False
    before: _Block | None = None
    after: _Block | None = None


class Caching:
    """PyTorch's caching allocator on one stream, which takes segments from the device and gives none back.

    reserved_bytes: what the segments take.
    """

    def __init__(self) -> None:
        self.reserved_bytes = 0
        self._count = 0
        self._free: dict[bool, list[tuple[int, int, _Block]]] = {True: [], False: []}
        self._entries: dict[int, tuple[int, int, _Block]] = {}

    def take(self, nbytes: int) -> _Block | None:
        """Memory for a storage; None for an empty one."""
        if not nbytes:
            return None
        size = -(-nbytes // _ROUND) * _ROUND
        small = size <= _SMALL
        block = self._fitting(size, small=small) or self._segment(size, small=small)
        rest = block.nbytes - size
        if rest >= _ROUND if small else rest > _SMALL:
            left = _Block(rest, small, before=block, after=block.after)
            if block.after is not None:
                block.after.before = left
            block.nbytes, block.after = size, left
            self._put(left)
        return block

    def give(self, block: _Block | None) -> None:
        """A storage's memory back; free neighbours become one."""
        if block is None:
            return
        if block.before is not None and block.before.free:
            block = self._joined(block.before, block)
        if block.after is not None and block.after.free:
            self._out(block.after)
            block = self._joined(block, block.after, first_is_out=True)
        self._put(block)

    def _joined(self, first: _Block, second: _Block, *, first_is_out: bool = False) -> _Block:
        if not first_is_out:
            self._out(first)
        first.nbytes += second.nbytes
        first.after = second.after
        if second.after is not None:
            second.after.before = first
        return first

    def _segment(self, size: int, *, small: bool) -> _Block:
        if small:
            nbytes = _SMALL_SEGMENT
        elif size < _MIDDLE:
            nbytes = _LARGE_SEGMENT
        else:
            nbytes = -(-size // _SMALL_SEGMENT) * _SMALL_SEGMENT
        self.reserved_bytes += nbytes
        return _Block(nbytes, small)

    def _fitting(self, size: int, *, small: bool) -> _Block | None:
        """The smallest free block that is large enough."""
        free = self._free[small]
        place = bisect_left(free, size, key=lambda entry: entry[0])
        if place == len(free):
            return None
        block = free[place][2]
        self._out(block)
        return block

    def _put(self, block: _Block) -> None:
        self._count += 1
        entry = (block.nbytes, self._count, block)
        block.free = True
        self._entries[id(block)] = entry
        insort(self._free[block.small], entry, key=lambda entry: entry[:2])

    def _out(self, block: _Block) -> None:
        entry = self._entries.pop(id(block))
        block.free = False
        free = self._free[block.small]
        free.pop(bisect_left(free, entry[:2], key=lambda other: other[:2]))


def taken(storage: Allocation) -> Allocation:
    """A storage with the bytes that the allocator takes for it."""
    return storage._replace(nbytes=-(-storage.nbytes // _ROUND) * _ROUND)


def reserved_bytes(storages: list[Allocation]) -> int:
    """The bytes that PyTorch's caching allocator takes from the device at most, which keeps what it has."""
    events = [(storage.made, True, number) for number, storage in enumerate(storages)]
    events += [(storage.gone, False, number) for number, storage in enumerate(storages) if storage.gone is not None]
    allocator, blocks = Caching(), {}
    for _, begins, number in sorted(events):
        if begins:
            blocks[number] = allocator.take(storages[number].nbytes)
        else:
            allocator.give(blocks.pop(number))
    return allocator.reserved_bytes
