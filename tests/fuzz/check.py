"""What a random program's profiles differ in: `python tests/fuzz/check.py [N [first]]` prints it for N seeds."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[1]))

from fuzz.programs import Program, Seen

import flopsight
from flopsight import conventions
from flopsight.cost import ZERO

Result = tuple[dict[str, int], dict[str, int], list[tuple[str, list[Seen]]]]

ALIASES = {"aten::detach", "aten::detach_"}
"""Not compared in number: autograd makes such aliases, which hold no arithmetic, where the run without it has none."""

WORKSPACE = "aten::mkldnn_rnn_layer"
"""Its last result is memory of oneDNN's own, of a size only oneDNN knows: where it runs, bytes are not compared."""
BYTES = {name for name in conventions.names() if name.startswith("torchstat")}

KNOWN = {
    3: "`.to(memory_format=torch.channels_last)` copies a stand-in that PyTorch would hand back: a copy more",
}
"""Seeds that differ still, with what in."""


def measured(program: Program, *, backward: bool, execute: bool) -> Result:
    """Totals by convention, calls by operator, and what the program saw."""
    with torch.set_grad_enabled(backward):
        profile = flopsight.profile(program, program.given, backward=backward, execute=execute)
    operators = profile.by_operator()
    compared = [name for name in conventions.names() if WORKSPACE not in operators or name not in BYTES]
    totals = {name: profile.total(name) for name in compared}
    calls = {name: tally.calls for name, tally in operators.items() if not backward or tally.cost != ZERO}
    return totals, calls, program.trace


def _difference(kind: str, got: Result, wanted: Result) -> list[str]:
    found = []
    totals = [f"{name} {got[0][name]} != {wanted[0][name]}" for name in got[0] if got[0][name] != wanted[0][name]]
    calls = {
        name: (got[1].get(name, 0), wanted[1].get(name, 0))
        for name in {*got[1], *wanted[1]}
        if got[1].get(name, 0) != wanted[1].get(name, 0) and name not in ALIASES
    }
    for (name, here), (_, there) in zip(got[2], wanted[2], strict=False):
        if here != there:
            found.append(f"{kind}: {name} gives {here} for {there}")
            break
    if totals:
        found.append(f"{kind}: totals: {', '.join(totals[:3])}")
    if calls:
        found.append(f"{kind}: calls: {calls}")
    return found


def differences(seed: int) -> list[str]:
    """In what the profiles of the program of `seed` differ from the executed run, in words."""
    program = Program(seed)
    if not program.steps:
        return []
    found: list[str] = []
    for backward in (False, True):
        way = "backward" if backward else "forward"
        try:
            wanted = measured(program, backward=backward, execute=True)
        except flopsight.errors.FlopsightError:
            if not backward:
                raise
            continue
        for kind in ("fake", "second"):
            try:
                got = measured(program, backward=backward, execute=False)
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
