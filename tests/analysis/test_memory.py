"""Memory of profiles made by hand, and the allocator on sizes made by hand."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import replace

import handmade
import pytest
from handmade import M, N, module

import flopsight
from flopsight.analysis.allocators import Caching
from flopsight.analysis.memory import memory
from flopsight.calls import KINDS, PHASES, Allocation
from flopsight.cost import TensorSpec
from flopsight.errors import InputError, ProfileFormatError

MIB = 2**20
FORWARD, BACKWARD = PHASES.index("forward"), PHASES.index("backward")
SPEC = TensorSpec((M, N))


def profile(*storages):
    """A forward of two operators and a backward of one, and the life of these storages."""
    made = handmade.profile(
        [module("", "Net"), module("a", "Linear")],
        [(handmade.linear(), "a", FORWARD), (handmade.relu(M, N), "", FORWARD), (handmade.relu(M, N), "a", BACKWARD)],
    )
    return replace(made, storages=list(storages))


WEIGHTS = Allocation("parameters", 1000, SPEC, 0, module="a")
HIDDEN = Allocation("temporaries", 100, SPEC, 1, gone=5, call=0, last_call=2, keeper="ReluBackward0")
OUTPUT = Allocation("outputs", 30, SPEC, 2, call=1)
GRADIENT = Allocation("gradients", 7, SPEC, 4, call=2)
SCRATCH = Allocation("workspace", 500, SPEC, 3, gone=3, call=2, last_call=2)


def test_the_peak_is_what_lives_at_once():
    found = memory(profile(WEIGHTS, HIDDEN, OUTPUT, GRADIENT))
    assert found.peak_bytes == 1000 + 100 + 30 + 7
    assert found.peak_call == 2
    assert found.at_peak == {"parameters": 1000, "saved": 100, "outputs": 30, "gradients": 7}
    assert found.by_module == {"a": 1000 + 100 + 7, "": 30}
    assert found.timeline == (1100, 1130, 1037)
    assert found.saved_for_backward == {"a": 100}
    assert [(held.kind, held.operator, held.keeper) for held in found.largest(2)] == [
        ("parameters", None, None), ("saved", "aten::addmm.default", "ReluBackward0"),
    ]  # fmt: skip


def test_what_is_gone_before_is_not_at_the_peak():
    gone = replace_of(HIDDEN, gone=2, last_call=0, keeper=None)
    found = memory(profile(WEIGHTS, gone, replace_of(OUTPUT, made=3)))
    assert found.peak_bytes == 1000 + 100
    assert found.at_peak == {"parameters": 1000, "temporaries": 100}
    assert not found.saved_for_backward


def replace_of(storage, **changes):
    return storage._replace(**changes)


def test_sizes_as_the_allocator_takes_them():
    found = memory(profile(WEIGHTS, HIDDEN, OUTPUT, replace_of(GRADIENT, made=4), SCRATCH), allocator="cuda")
    assert found.at_peak == {"parameters": 1024, "saved": 512, "outputs": 512, "gradients": 512}
    assert found.reserved_bytes == 2 * MIB
    with pytest.raises(InputError, match="'cuda'"):
        memory(profile(WEIGHTS), allocator="tcmalloc")


def test_a_profile_without_storages():
    with pytest.raises(InputError, match="memory=True"):
        memory(profile())


def test_memory_is_saved_with_the_profile(tmp_path):
    before = profile(WEIGHTS, HIDDEN, OUTPUT, GRADIENT)
    before.save(tmp_path / "p.json")
    assert flopsight.load(tmp_path / "p.json").memory == before.memory


@pytest.mark.parametrize(("place", "value"), [(0, "nonsense"), (1, -4), (2, "x"), (5, 99), (6, "1"), (8, "a." * 300)])
def test_damaged_storages_are_refused(place, value):
    data = profile(WEIGHTS, HIDDEN).to_dict()
    data["storages"][1][place] = value
    with pytest.raises(ProfileFormatError, match=r"storages\[1\]"):
        flopsight.Profile.from_dict(data)


def test_every_kind_is_shown():
    storages = [Allocation(kind, 10 * n + 1, SPEC, 0, module="a") for n, kind in enumerate(KINDS)]
    text = str(profile(*storages).memory)
    assert all(kind in text for kind in KINDS)
    assert f"peak{'':>18}"[:4] in text


class TestCaching:
    def test_segments(self):
        allocator = Caching()
        allocator.take(1)
        allocator.take(MIB)
        assert allocator.reserved_bytes == 2 * MIB
        allocator.take(MIB + 1)  # of less than 10 MiB, from 20 MiB
        assert allocator.reserved_bytes == 22 * MIB
        allocator.take(9 * MIB)
        assert allocator.reserved_bytes == 22 * MIB
        allocator.take(31 * MIB)  # its own, a multiple of 2 MiB
        assert allocator.reserved_bytes == (22 + 32) * MIB
        assert allocator.take(0) is None

    def test_what_was_given_back_is_taken_again(self):
        allocator = Caching()
        blocks = [allocator.take(4 * MIB) for _ in range(5)]
        for block in blocks:
            allocator.give(block)
        allocator.take(9 * MIB)  # neighbours became one
        allocator.take(9 * MIB)
        assert allocator.reserved_bytes == 20 * MIB

    def test_a_small_rest_of_a_large_block_stays_with_it(self):
        allocator = Caching()
        allocator.give(allocator.take(12 * MIB))
        assert allocator.take(12 * MIB - MIB).nbytes == 12 * MIB
        assert allocator.reserved_bytes == 12 * MIB

    def test_blocks_never_overlap_and_nothing_is_lost(self):
        draw, allocator, held = random.Random(0), Caching(), []
        for _ in range(2000):
            if held and draw.random() < 0.5:
                allocator.give(held.pop(draw.randrange(len(held))))
            else:
                held.append(allocator.take(draw.choice([100, 700, MIB, 3 * MIB, 12 * MIB, 30 * MIB])))
        first = {}
        for block in [*held, *(entry[2] for free in allocator._free.values() for entry in free)]:
            while block.before is not None:
                block = block.before
            first[id(block)] = block
        total = Counter()
        for block in first.values():
            while block is not None:
                total["bytes"] += block.nbytes
                block = block.after
        assert total["bytes"] == allocator.reserved_bytes
