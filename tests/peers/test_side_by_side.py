"""The real tools beside our conventions of their names, to the unit; where a tool is wrong, why and by how much."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import pytest
from peers.layers import LAYERS, layer
from peers.models import MODELS, build
from peers.reasons import REASONS, Counted

import flopsight
from flopsight import conventions
from flopsight.sources.torchvision_operators import torchvision_importable

FIGURES = {
    "thop": ["thop"],
    "ptflops": ["ptflops", "ptflops_aten"],
    "fvcore": ["fvcore"],
    "torchinfo": ["torchinfo"],
    "deepspeed": ["deepspeed", "deepspeed_macs"],
    "torch_flops": ["torch_flops"],
}
"""What each tool says: figures, which have our conventions' names."""

OTHER_NAMES = {"deepspeed_macs": "macs"}


@cache
def said(tool: str) -> dict[str, dict[str, int]]:
    """What a tool says of each model and layer."""
    if find_spec(tool) is None or find_spec("torchvision") is None:
        pytest.skip(f"{tool} or torchvision is not installed")
    command = [sys.executable, "-W", "ignore", "-m", "peers.tools", tool]
    ran = subprocess.run(command, cwd=Path(__file__).parents[1], capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stderr
    return json.loads(ran.stdout)


@cache
def ours(name: str) -> flopsight.Profile:
    with torchvision_importable(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of torchvision's, on weights that will change
        profile = flopsight.profile(*(layer(name) if name in LAYERS else build(name)))
    assert not profile.unknown
    return profile


@pytest.mark.parametrize("tool", FIGURES)
def test_a_tool_counts_as_its_convention_does_or_is_wrong_for_a_known_reason(tool: str) -> None:
    differing = {}
    for name, counts in said(tool).items():
        for figure, count in counts.items():
            convention = conventions.get(OTHER_NAMES.get(figure, figure))
            reason = REASONS.get((figure, name))
            expected = 0 if reason is None else reason.apart(Counted(ours(name), convention))
            apart = count - ours(name).total(convention)
            if apart != expected or (reason is not None and apart == 0):
                differing[figure, name] = (apart, expected, reason and reason.why)
    assert not differing, "the tool's figure less ours, expected, and why"


@pytest.mark.parametrize("tool", FIGURES)
def test_a_tool_runs_on_every_architecture(tool: str) -> None:
    assert set(MODELS) <= set(said(tool))


@pytest.mark.parametrize(("figure", "least"), [(f, 10) for t in FIGURES for f in FIGURES[t] if f != "torch_flops"])
def test_a_tool_is_right_about_ten_architectures(figure: str, least: int) -> None:
    assert sum((figure, name) not in REASONS for name in MODELS) >= least


def test_every_reason_names_a_figure_and_a_model() -> None:
    figures = {figure for figures in FIGURES.values() for figure in figures}
    assert {figure for figure, _ in REASONS} <= figures
    assert {name for _, name in REASONS} <= {*MODELS, *LAYERS}
