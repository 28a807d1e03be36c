"""Closed forms of torchvision's classification models are what runs count, at sizes that Hypothesis picks."""

from __future__ import annotations

import importlib.util

import pytest
from closed_form.rows import check
from closed_form.sizes import EXAMPLES
from hypothesis import given
from hypothesis import strategies as st

import flopsight
from flopsight.errors import FlopsightError
from flopsight.sources import resolve
from flopsight.sources.torchvision_operators import torchvision_importable

if importlib.util.find_spec("torchvision") is None:
    pytest.skip("torchvision is not installed", allow_module_level=True)

with torchvision_importable():
    import torchvision

NAMES = torchvision.models.list_models(module=torchvision.models)

FIXED = ("vit_", "maxvit")
"""Models that take images of one size."""


@pytest.mark.parametrize("name", NAMES)
def test_in_the_batch(name: str) -> None:
    workload = resolve(f"torchvision:{name}")
    (_, *rest) = workload.args[0]
    form = flopsight.profile(workload.model, ("batch", *rest))

    @EXAMPLES
    @given(st.integers(1, 64))
    def holds(batch: int) -> None:
        check(form, flopsight.profile(workload.model, (batch, *rest)), {"batch": batch})

    holds()


@pytest.mark.parametrize("name", [name for name in NAMES if not name.startswith(FIXED)])
def test_in_batch_height_and_width(name: str) -> None:
    model = resolve(f"torchvision:{name}").model
    form = flopsight.profile(model, ("batch", 3, "height", "width"))

    @EXAMPLES
    @given(st.integers(1, 8), st.integers(75, 600), st.integers(75, 600))
    def holds(batch: int, height: int, width: int) -> None:
        sizes = {"batch": batch, "height": height, "width": width}
        if not all(each.holds(sizes) for each in form.assumptions):
            with pytest.raises(FlopsightError, match="assumes"):
                form.at(**sizes)
            return
        check(form, flopsight.profile(model, (batch, 3, height, width)), sizes)

    holds()
