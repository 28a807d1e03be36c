"""Language and multimodal models of transformers, from their configurations: published figures, and nothing unknown."""

from __future__ import annotations

import pytest
import torch
from versions import lacks

from flopsight import profile, spec
from flopsight.sources.torchvision_operators import torchvision_importable

with torchvision_importable():
    pytest.importorskip("torchvision")  # which transformers imports later
    transformers = pytest.importorskip("transformers")

pytestmark = pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning")


def ids(*sizes):
    return spec(*sizes, dtype="int64")


def made(kind, **options):
    config = getattr(transformers, f"{kind.split('For')[0].removesuffix('Model').removesuffix('LMHead')}Config")(
        **options
    )
    with torch.device("meta"):
        return getattr(transformers, kind)(config).eval()


def test_gpt2_as_in_nanogpt():
    """nanoGPT's transformer_sizing: GPT-2 124M at 1,024 tokens."""
    model = made("GPT2LMHeadModel")
    p = profile(model, {"input_ids": ids(1, 1024)}, backward=True, strict=True)
    assert p.total("flops", phase="forward") == 291_648_307_200
    recomputed = 2 * 12 * 1024 * 1024 * 768  # the fused attention's backward computes the scores once more
    assert p.flops == 874_944_921_600 + recomputed
    assert p.params == 124_439_808  # nanoGPT says 124,337,664: without biases


def test_llama_405b():
    """The architecture of Llama 3.1 405B; figures derived below, layer by layer."""
    hidden, layers, heads, kv_heads, inner, vocabulary, tokens = 16_384, 126, 128, 8, 53_248, 128_256, 2_048
    model = made(
        "LlamaForCausalLM", hidden_size=hidden, num_hidden_layers=layers, num_attention_heads=heads,
        num_key_value_heads=kv_heads, intermediate_size=inner, vocab_size=vocabulary,
    )  # fmt: skip
    p = profile(model, {"input_ids": ids(1, tokens)}, strict=True)
    head = hidden // heads
    weights = 2 * hidden * hidden + 2 * hidden * kv_heads * head + 3 * hidden * inner
    attention = 2 * heads * tokens * tokens * head
    assert p.macs == layers * (tokens * weights + attention) + tokens * hidden * vocabulary
    assert p.macs == 844_193_001_897_984
    assert p.params == 405_853_388_800


SMALL = {"num_hidden_layers": 2}
MODELS = {
    "BertModel": ({}, {"input_ids": ids(2, 128), "attention_mask": ids(2, 128)}),
    "T5ForConditionalGeneration": ({}, {"input_ids": ids(1, 64), "decoder_input_ids": ids(1, 32)}),
    "WhisperForConditionalGeneration": ({}, {"input_features": (1, 80, 3000), "decoder_input_ids": ids(1, 32)}),
    "CLIPModel": ({}, {"input_ids": ids(1, 77), "pixel_values": (1, 3, 224, 224)}),
    "LlamaForCausalLM": (SMALL, {"input_ids": ids(1, 128)}),
    "MixtralForCausalLM": (SMALL, {"input_ids": ids(1, 128)}),
    "MambaForCausalLM": (SMALL, {"input_ids": ids(1, 32)}),
}


@pytest.mark.parametrize("kind", MODELS)
def test_nothing_is_unknown_forward_and_backward(kind):
    if kind == "MixtralForCausalLM" and (why := lacks("aten::_grouped_mm", "mat2")):
        pytest.skip(f"{why}: the gradients of experts are a loop over values of transformers' own")
    options, inputs = MODELS[kind]
    p = profile(made(kind, **options), inputs, backward=True, strict=True)
    p.self_check()
    forward, backward = (p.total("macs", phase=phase) for phase in ("forward", "backward"))
    assert 1.5 * forward < backward < 2.5 * forward


def test_mixtral_counts_the_experts_that_are_used():
    model = made("MixtralForCausalLM", **SMALL)
    p = profile(model, {"input_ids": ids(1, 128)})
    c = model.config
    experts = 128 * c.num_experts_per_tok * 3 * c.hidden_size * c.intermediate_size
    assert p["model.layers.0.mlp.experts"].macs == experts
    assert (p.experts.experts, p.experts.used) == (8, 2)
    assert p.experts.macs - p.experts.active_macs == 2 * 3 * experts  # in two layers, the other six of eight


def test_mixtral_8x7b_parameters_total_and_active():
    p = profile(made("MixtralForCausalLM"), {"input_ids": ids(1, 16)})
    assert (p.experts.params, p.experts.active_params) == (46_702_792_704, 12_879_925_248)


def test_a_model_without_experts_has_none():
    assert profile(torch.nn.Linear(2, 3), (1, 2)).experts is None
