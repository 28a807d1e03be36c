"""Closed forms of language models in batch and sequence are what runs count, at sizes that Hypothesis picks."""

from __future__ import annotations

import importlib.util
from typing import Any

import pytest
import sympy
from closed_form.rows import check
from closed_form.sizes import EXAMPLES
from hypothesis import given
from hypothesis import strategies as st

import flopsight
from flopsight.errors import InputError
from flopsight.sources import resolve

if importlib.util.find_spec("transformers") is None:
    pytest.skip("transformers is not installed", allow_module_level=True)

IDS = {"input_ids": ("batch", "seq")}
SMALL = "num_hidden_layers=2"
LONGEST = 400
MODELS: dict[str, tuple[str, dict[str, tuple[Any, ...]]]] = {
    "bert": (f"bert({SMALL})", IDS),
    "gpt2": ("gpt2(n_layer=2)", IDS),
    "llama": (f"llama({SMALL})", IDS),
    "t5": ("t5(num_layers=2)", {**IDS, "decoder_input_ids": ("batch", "target")}),
    "vit": (f"vit({SMALL})", {"pixel_values": ("batch", 3, 224, 224)}),
    "whisper": (
        "whisper(encoder_layers=2, decoder_layers=2)",
        {"input_features": ("batch", 80, 3000), "decoder_input_ids": ("batch", "seq")},
    ),
    "mixtral": (f"mixtral({SMALL})", IDS),
    "mamba": (f"mamba({SMALL})", IDS),
    "mistral": (f"mistral({SMALL})", IDS),
    "deepseek_v3": (f"deepseek_v3({SMALL}, first_k_dense_replace=1)", IDS),
    "segformer": ("segformer", {"pixel_values": ("batch", 3, "height", "width")}),
}


def inputs(shapes: dict[str, tuple[Any, ...]], sizes: dict[str, int]) -> dict[str, Any]:
    return {
        name: flopsight.spec(*(sizes.get(size, size) for size in shape), dtype="int64" if "ids" in name else None)
        for name, shape in shapes.items()
    }


@pytest.mark.parametrize("name", MODELS)
def test_at_any_sizes_it_is_the_run_at_them(name: str) -> None:
    address, shapes = MODELS[name]
    model = resolve(f"transformers:{address}").model
    form = flopsight.profile(model, kwargs=inputs(shapes, {}))
    by_name = {"batch": st.integers(1, 9), "height": st.integers(32, 600), "width": st.integers(32, 600)}
    ranges = {each: by_name.get(each, st.integers(1, LONGEST)) for each in form.sizes}

    @EXAMPLES
    @given(st.fixed_dictionaries(ranges))
    def holds(sizes: dict[str, int]) -> None:
        if not all(each.holds(sizes) for each in form.assumptions):
            with pytest.raises(InputError, match="assumes"):
                form.at(**sizes)
            return
        check(form, flopsight.profile(model, kwargs=inputs(shapes, sizes)), sizes)

    holds()


def test_llama_3_8b_is_the_formula_of_its_paper_s_sizes() -> None:
    """Layers of width C = 4096, keys and values of 1024, an inner width of 14336; a head of 128,256 words."""
    address = (
        "transformers:llama(hidden_size=4096, intermediate_size=14336, num_hidden_layers=32, num_attention_heads=32, "
        "num_key_value_heads=8, vocab_size=128256)"
    )
    form = flopsight.profile(resolve(address).model, kwargs=inputs(IDS, {}))
    batch, seq = sorted(form.macs.free_symbols, key=str)
    layer = 4096 * (4096 + 1024 + 1024 + 4096) + 3 * 4096 * 14336
    hand = batch * seq * (32 * layer + 4096 * 128256) + 32 * 2 * batch * seq**2 * 4096
    assert sympy.expand(form.macs - hand) == 0
    assert str(form.flops) == "524288*batch*seq*(seq + 28628)"


def test_backward_has_one_too() -> None:
    model = resolve("transformers:gpt2(n_layer=2)").model
    form = flopsight.profile(model, kwargs=inputs(IDS, {}), backward=True)
    check(
        form,
        flopsight.profile(model, kwargs=inputs(IDS, {"batch": 3, "seq": 40}), backward=True),
        {"batch": 3, "seq": 40},
    )
    batch, seq = sorted(form.macs.free_symbols, key=str)
    again = 2 * 768 * batch * seq**2  # the scores of both layers, which the backward of attention works out anew
    backward = 2 * form.total("macs", phase="forward") + again
    assert sympy.expand(form.total("macs", phase="backward") - backward) == 0
