"""What a profile counts, row by row: every module, and every operator."""

from __future__ import annotations

from typing import Any

from flopsight import ClosedForm, Profile


def modules(profile: Profile) -> dict[str, Any]:
    nodes = profile.modules
    return {
        path: (tally.macs, tally.cost.exact, nodes[path].calls, nodes[path].inputs, nodes[path].outputs)
        for path, tally in profile.by_module().items()
    }


def operators(profile: Profile) -> dict[str, Any]:
    return {name: tally.cost for name, tally in profile.by_operator().items() if tally.cost.exact}


def check(form: ClosedForm, run: Profile, sizes: dict[str, int]) -> None:
    """The form at sizes is the run at them: every module, and every operator that computes, but for those of equal cost
    among which PyTorch chooses by size.
    """
    found = form.at(**sizes)
    assert modules(found) == modules(run), sizes
    assert (found.macs, found.flops, found.cost.exact) == (run.macs, run.flops, run.cost.exact)
    chosen = [each for each in form.assumptions if each.effect == "kernel" and not each.guard.holds(sizes)]
    if not chosen:
        assert operators(found) == operators(run), sizes
    assert form.quantity("exact").at(sizes) == run.cost.exact
