"""What a random program's profiles differ in: `python tests/fuzz/check.py [N [first]]` prints it for N seeds."""

from __future__ import annotations

import sys
import warnings
from collections import Counter
from contextlib import suppress
from pathlib import Path

import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz import notes
from fuzz.programs import Program
from kernels import Compared

import flopsight
from flopsight import conventions
from flopsight.calls import Operation
from flopsight.cost import ZERO
from flopsight.record.tally import Tally

Result = tuple[dict[str, int], dict[str, Tally], list[tuple[str, list[notes.Seen]]]]

ALIASES = {"aten::detach", "aten::detach_", "aten::lift_fresh"}
"""Not compared in number: autograd makes such aliases, which hold no arithmetic, where the run without it has none."""

WORKSPACE = "aten::mkldnn_rnn_layer"
"""Its last result is memory of oneDNN's own, of a size only oneDNN knows: where it runs, bytes are not compared."""
BYTES = {name for name in conventions.names() if name.startswith("torchstat")}

_NO_MEMORY = "it asks where in memory a view begins, which a stand-in, that has none, answers with 0 and a note"
KNOWN: dict[int, str] = {4205: _NO_MEMORY, 9808: _NO_MEMORY}
"""Seeds that differ still, with the reason."""

WAYS = {"forward": (False, True), "forward without gradients": (False, False), "backward": (True, True)}
"""How each program is run: with its backward pass or not, in what grad mode."""


def measured(program: Program, *, backward: bool, grad: bool, execute: bool) -> Result:
    """Totals by convention, calls by operator, and what the program saw."""
    with torch.set_grad_enabled(grad):
        profile = flopsight.profile(program, program.given, backward=backward, execute=execute)
    operators = profile.by_operator()
    compared = [name for name in conventions.names() if WORKSPACE not in operators or name not in BYTES]
    totals = {name: profile.total(name) for name in compared}
    assert len(notes.trace) == len(program.steps)
    return totals, operators, list(notes.trace)


_MIRRORED = {"aten::gt": "aten::lt", "aten::ge": "aten::le"}
"""Taken for the same: Python asks the right side of a comparison first if it is a stand-in and the left a constant."""


def _compared(operators: dict[str, Tally]) -> dict[str, Tally]:
    """Calls by operator, those that are mirrored together."""
    counts: dict[str, Counter[Operation]] = {}
    for name, tally in operators.items():
        counts.setdefault(_MIRRORED.get(name, name), Counter()).update(tally.counts)
    return {name: Tally(each) for name, each in counts.items()}


def _calls(got: dict[str, Tally], wanted: dict[str, Tally], *, every: bool) -> dict[str, tuple[int, int]]:
    """The operators that were not called as often in both.

    Where gradients are on (not `every`) and a program writes in place, those without arithmetic are left out. Autograd
    keeps a copy of what a backward pass needs, which a run below autograd does not see; and of a view that was written,
    it has a derivative by memory (zeros, and copies into them), where that of a stand-in, which has no memory, repeats
    the view.
    """
    writes = any(name.endswith("_") for name in {*got, *wanted} - ALIASES)
    found = {}
    for name in {*got, *wanted} - ALIASES:
        tallies = got.get(name), wanted.get(name)
        here, there = (tally.calls if tally else 0 for tally in tallies)
        counts = every or not writes or any(tally and tally.cost != ZERO for tally in tallies)
        if here != there and counts:
            found[name] = here, there
    return found


def _difference(kind: str, got: Result, wanted: Result) -> list[str]:
    found = []
    totals = [f"{name} {got[0][name]} != {wanted[0][name]}" for name in got[0] if got[0][name] != wanted[0][name]]
    calls = _calls(_compared(got[1]), _compared(wanted[1]), every="without" in kind)
    for (name, here), (_, there) in zip(got[2], wanted[2], strict=True):
        if here != there:
            found.append(f"{kind}: {name} gives {here} for {there}")
            break
    if totals:
        found.append(f"{kind}: totals: {', '.join(totals[:3])}")
    if calls:
        found.append(f"{kind}: calls: {calls}")
    return found


def _operators(program: Program) -> list[str]:
    """What the stand-ins of single operators differ in from results of the program run with its backward pass."""
    with Compared() as mode:
        floating = [result for result in program(program.given) if result.requires_grad]
        with suppress(RuntimeError):  # an operator without a derivative
            torch.autograd.backward(floating, [torch.ones_like(result) for result in floating])
    program.zero_grad()
    return [f"{operator}: {words}" for operator, said in mode.differing.items() for words in said]


def _fails(program: Program, *, grad: bool) -> bool:
    """Whether it does not run by itself either: in another grad mode it may meet values that it was not planned on."""
    with torch.set_grad_enabled(grad):
        try:
            program(program.given)
        except RuntimeError:
            return True
    return False


def differences(seed: int) -> list[str]:
    """In what the profiles of the program of `seed` differ from the executed run, in words."""
    program = Program(seed)
    if not program.steps:
        return []
    found = _operators(program)
    for way, (backward, grad) in WAYS.items():
        try:
            wanted = measured(program, backward=backward, grad=grad, execute=True)
        except flopsight.errors.FlopsightError:
            if not backward and not _fails(program, grad=grad):
                raise
            continue
        for kind in ("fake", "second"):
            try:
                got = measured(program, backward=backward, grad=grad, execute=False)
            except flopsight.errors.FlopsightError as error:
                found.append(f"{way}, {kind}: {type(error).__name__}: {error}")
                break
            found += _difference(f"{way}, {kind}", got, wanted)
    return found


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    many, first = (int(argument) for argument in [*sys.argv[1:], *("1000", "0")[len(sys.argv) - 1 :]][:2])
    failed = 0
    for seed in range(first, first + many):
        try:
            said = differences(seed)
        except Exception as error:  # whatever it is, it is found
            said = [f"{type(error).__name__}: {error}"]
        if seed in KNOWN:
            continue
        failed += bool(said)
        for line in said:
            print(seed, line, flush=True)
    print(f"{many} programs, {failed} differ")
    sys.exit(failed > 0)
