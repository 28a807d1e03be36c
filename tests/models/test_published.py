"""Parameters of well-known models, to the digit."""

from __future__ import annotations

import importlib.util

import pytest
from published import PUBLISHED, Published

from flopsight import profile
from flopsight.sources import resolve

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]


@pytest.mark.parametrize("model", PUBLISHED, ids=lambda model: model.name)
def test_parameters_are_the_published_ones(model: Published) -> None:
    built = resolve(f"transformers:{model.address}").model
    assert sum(parameter.numel() for parameter in built.parameters()) == model.params


def test_deepseek_v3_has_its_671_b_and_uses_37_b() -> None:
    """58 layers with 256 experts of 3 * 7168 * 2048 weights, of which a token uses 8.

    The published total has the bias of each expert's choice, which is no parameter but a buffer of 256 in each layer.
    """
    workload = resolve("transformers:deepseek_v3")
    total = 671_026_404_352
    assert total + 58 * 256 == 671_026_419_200
    experts = profile(workload.model, kwargs=workload.kwargs).experts
    assert experts is not None
    assert experts.params == total
    assert experts.active_params == total - 58 * (256 - 8) * 3 * 7168 * 2048 == 37_552_282_624
