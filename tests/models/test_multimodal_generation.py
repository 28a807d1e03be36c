"""Prompts that hold images or sound: equal to what `generate` runs, and each component's part apart."""

from __future__ import annotations

import pytest
import torch

import flopsight
from flopsight import cli
from flopsight.errors import InputError
from flopsight.sources import Sizes, resolve
from flopsight.tracing.given.inputs import Plain

WIDTH, MLP, LAYERS, VOCAB = 64, 96, 2, 300
TEXT = (
    f"'vocab_size': {VOCAB}, 'hidden_size': {WIDTH}, 'intermediate_size': {MLP}, 'num_hidden_layers': {LAYERS}, "
    "'num_attention_heads': 4, 'num_key_value_heads': 2, 'head_dim': 16"
)
EYES = (
    "'hidden_size': 32, 'intermediate_size': 48, 'num_hidden_layers': 2, 'num_attention_heads': 2, 'image_size': 56, "
    "'patch_size': 14"
)
PATCHES = (56 // 14) ** 2
ROPE = "'rope_parameters': {'rope_type': 'default', 'rope_theta': 10000.0, 'mrope_section': [4, 2, 2]}"
MODELS = {
    "llava": f"text_config={{{TEXT}}}, vision_config={{{EYES}}}, image_token_index=290",
    "gemma3": f"text_config={{{TEXT}}}, vision_config={{{EYES}}}, mm_tokens_per_image=4, image_token_index=290",
    "idefics3": f"text_config={{{TEXT}}}, vision_config={{{EYES}}}, scale_factor=2, image_token_id=290",
    "git": (
        f"vocab_size={VOCAB}, hidden_size={WIDTH}, intermediate_size={MLP}, num_hidden_layers=2, "
        f"num_attention_heads=4, vision_config={{{EYES}}}"
    ),
    "qwen3_vl": (
        f"text_config={{{TEXT}, {ROPE}}}, vision_config={{'depth': 3, 'hidden_size': 32, 'num_heads': 2, "
        "'intermediate_size': 48, 'out_hidden_size': 64, 'deepstack_visual_indexes': [1]}, image_token_id=290, "
        "video_token_id=291, vision_start_token_id=292, vision_end_token_id=293"
    ),
    "moonshine": (
        f"hidden_size=32, intermediate_size=48, encoder_num_hidden_layers=2, decoder_num_hidden_layers=2, "
        f"encoder_num_attention_heads=2, decoder_num_attention_heads=2, vocab_size={VOCAB}"
    ),
    "whisper": (
        f"d_model=32, encoder_layers=2, decoder_layers=2, encoder_attention_heads=2, decoder_attention_heads=2, "
        f"encoder_ffn_dim=48, decoder_ffn_dim=48, vocab_size={VOCAB}, pad_token_id=0, bos_token_id=0, eos_token_id=1, "
        "decoder_start_token_id=2, suppress_tokens=None, begin_suppress_tokens=None"
    ),
}
POSITIONS = {"llava": 12 + PATCHES, "gemma3": 12 + 4, "idefics3": 12 + PATCHES // 4, "git": 12 + 1 + PATCHES}
COMPONENTS = {
    "llava": ["model.vision_tower", "model.multi_modal_projector", "model.language_model", "lm_head"],
    "idefics3": ["model.vision_model", "model.connector", "model.text_model", "lm_head"],
    "qwen3_vl": ["model.visual", "model.language_model", "lm_head"],
    "whisper": ["model.encoder", "model.decoder", "proj_out"],
}


@pytest.fixture(scope="module", autouse=True)
def transformers():
    return pytest.importorskip("transformers")


def workload(kind, *, real=False):
    return resolve(
        f"hf:{kind}({MODELS[kind]})", sizes=Sizes(batch=2, seq=None if kind == "moonshine" else 12), real=real
    )


def with_values(given):
    value = given.value if isinstance(given, Plain) else given
    return value if isinstance(value, torch.Tensor) else torch.full(value.shape, 7, dtype=value.dtype or torch.float32)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning")
@pytest.mark.parametrize("kind", MODELS)
def test_it_is_what_generate_runs(kind):
    made = workload(kind, real=True)
    found = flopsight.profile_generate(made.model, batch=2, prompt=12, new_tokens=9, inputs=made.kwargs)
    given = {name: with_values(value) for name, value in made.kwargs.items() if name != "decoder_input_ids"}
    made.model.generation_config.eos_token_id = None
    with torch.no_grad(), flopsight.Profiler() as run:
        made.model.generate(**given, max_new_tokens=9, min_new_tokens=9, do_sample=False)
    assert found.macs == run.profile.macs
    assert found.positions == POSITIONS.get(kind, found.positions)
    assert sum(component.macs for component in found.components) == found.macs
    assert sum(component.prefill.exact for component in found.components) == found.prefill.exact
    for at, step in zip(found.decode.lengths, found.decode, strict=True):
        assert sum(component.decode[at].exact for component in found.components) == step.exact
    if kind in COMPONENTS:
        assert [component.path for component in found.components if component.macs] == COMPONENTS[kind]


def test_llava_by_hand():
    made, length = workload("llava"), 12 + PATCHES
    found = flopsight.profile_generate(made.model, batch=2, prompt=12, new_tokens=40, inputs=made.kwargs)
    parts = {component.path: component for component in found.components}
    products = LAYERS * (WIDTH * (64 + 32 + 32 + 64) + 3 * WIDTH * MLP)
    attention = LAYERS * 2 * 64
    language = parts["model.language_model"]
    assert language.prefill.macs == 2 * (length * products + length**2 * attention)
    assert found.decode.lengths == range(length, length + 39)
    assert [step.macs for step in language.decode] == [
        2 * (products + (at + 1) * attention) for at in found.decode.lengths
    ]
    assert found.prefill.cache_bytes == 2 * LAYERS * 2 * length * 32 * 4
    assert parts["lm_head"].prefill.macs == 2 * WIDTH * VOCAB
    assert parts["model.multi_modal_projector"].prefill.macs == 2 * PATCHES * (32 * WIDTH + WIDTH * WIDTH)
    assert parts["model.vision_tower"].decode.total("macs") == 0 < parts["model.vision_tower"].prefill.macs
    assert not parts["model.vision_tower"].decode[length].weight_bytes


def test_the_cache_of_an_encoder_decoder_model_by_its_parts():
    made = workload("whisper")
    found = flopsight.profile_generate(made.model, batch=2, prompt=12, new_tokens=9, inputs=made.kwargs)
    layer = 2 * 2 * 32 * 4  # keys and values of two sequences
    assert found.cache_parts == {"self_attention_cache": 2 * 9 * layer, "cross_attention_cache": 2 * 1500 * layer}
    assert sum(found.cache_parts.values()) == found.cache_bytes
    assert found.prompt == found.positions == 1500, "what the encoder makes of the sound, whatever else is asked for"
    assert "of cross attention cache at its largest" in str(found)


def test_ids_of_another_number_of_sequences_are_refused():
    made = workload("llava")
    with pytest.raises(InputError, match=r"input_ids has the sizes \[2, 28\], and there are 3 sequences"):
        flopsight.profile_generate(made.model, batch=3, prompt=12, new_tokens=9, inputs=made.kwargs)


def test_the_command(capsys):
    address = f"hf:llava({MODELS['llava']})"
    assert cli.main(["serve-cost", address, "--prompt", "20", "--new", "4", "--batch", "3", "--image", "56"]) == 0
    out = capsys.readouterr().out
    assert f"3 sequences, prompt of 20 ({20 + PATCHES} positions), 4 new tokens each" in out
    assert "model.vision_tower" in out and f"decode, {20 + PATCHES} in the cache" in out
    assert cli.main(["serve-cost", "hf:gpt2(n_layer=1)", "--image", "56"]) == 2
    assert "has no input that --image would set" in capsys.readouterr().err
