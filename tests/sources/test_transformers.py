"""Inputs for the architectures of transformers: of the layout that each takes, with every tower counted."""

from __future__ import annotations

import importlib.util
import json

import pytest
from command_line import refused, run

from flopsight import profile
from flopsight.errors import InputError
from flopsight.sources import Sizes, Workload, resolve
from flopsight.tracing.inputs import Plain

pytestmark = [
    pytest.mark.skipif(importlib.util.find_spec("transformers") is None, reason="transformers is not installed"),
    pytest.mark.filterwarnings("ignore::FutureWarning", "ignore::DeprecationWarning"),
]

TEXT = (
    "{'hidden_size': 64, 'intermediate_size': 96, 'num_hidden_layers': 2, 'num_attention_heads': 4, "
    "'num_key_value_heads': 2, 'head_dim': 16}"
)
VISION = "'hidden_size': 32, 'intermediate_size': 48, 'num_hidden_layers': 2, 'num_attention_heads': 2"
SMALL_GEMMA3 = (
    f"gemma3(text_config={TEXT}, vision_config={{{VISION}, 'image_size': 56, 'patch_size': 14}}, mm_tokens_per_image=4)"
)
SMALL_QWEN3_VL = (
    "qwen3_vl(text_config={'hidden_size': 64, 'intermediate_size': 96, 'num_hidden_layers': 4, 'head_dim': 16, "
    "'num_attention_heads': 4, 'num_key_value_heads': 2, 'rope_parameters': {'rope_type': 'default', "
    "'rope_theta': 10000.0, 'mrope_section': [4, 2, 2]}}, "
    "vision_config={'depth': 4, 'hidden_size': 32, 'num_heads': 2, 'intermediate_size': 48, 'out_hidden_size': 64, "
    "'deepstack_visual_indexes': [1, 2, 3]})"
)
SMALL_LLAVA = f"llava(text_config={TEXT}, vision_config={{{VISION}, 'image_size': 56, 'patch_size': 14}})"


def shapes(workload: Workload) -> dict[str, tuple[int, ...]]:
    given = {name: value.value if isinstance(value, Plain) else value for name, value in workload.kwargs.items()}
    return {name: tuple(getattr(value, "shape", value)) for name, value in given.items()}


FAMILIES = [
    ("bert", {"input_ids": (1, 128)}),
    ("BertForMultipleChoice", {"input_ids": (1, 2, 128)}),
    ("layoutlm", {"input_ids": (1, 128), "bbox": (1, 128, 4)}),
    ("bros", {"input_ids": (1, 128), "bbox": (1, 128, 8)}),
    ("vit", {"pixel_values": (1, 3, 224, 224)}),
    ("swin2sr", {"pixel_values": (1, 3, 64, 64)}),
    ("vitpose", {"pixel_values": (1, 3, 256, 192)}),
    ("detr", {"pixel_values": (1, 3, 224, 224)}),
    ("sam", {"pixel_values": (1, 3, 1024, 1024), "input_points": (1, 1, 1, 2)}),
    ("videomae", {"pixel_values": (1, 16, 3, 224, 224)}),
    ("layoutlmv3", {"input_ids": (1, 128), "bbox": (1, 128, 4), "pixel_values": (1, 3, 224, 224)}),
    ("grounding-dino", {"pixel_values": (1, 3, 224, 224), "input_ids": (1, 128)}),
    ("clip", {"input_ids": (1, 77), "pixel_values": (1, 3, 224, 224)}),
    (
        "siglip2",
        {
            "input_ids": (1, 64), "pixel_values": (1, 196, 768), "pixel_attention_mask": (1, 196),
            "spatial_shapes": (1, 2),
        },
    ),
    ("clap", {"input_ids": (1, 128), "input_features": (1, 1, 1000, 64)}),
    ("whisper", {"input_features": (1, 80, 3000), "decoder_input_ids": (1, 128)}),
    ("speech_to_text", {"input_features": (1, 3000, 80), "decoder_input_ids": (1, 128)}),
    ("audio-spectrogram-transformer", {"input_values": (1, 1024, 128)}),
    ("wav2vec2", {"input_values": (1, 16_000)}),
    ("encodec", {"input_values": (1, 1, 16_000)}),
    ("dia", {"input_ids": (1, 128), "decoder_input_ids": (1, 128, 9)}),
    ("musicgen_decoder", {"input_ids": (4, 128)}),
    ("pix2struct", {"flattened_patches": (1, 196, 770), "decoder_input_ids": (1, 128)}),
    ("patchtst", {"past_values": (1, 32, 1)}),
    ("timesfm", {"past_values": (1, 512), "past_values_padding": (1, 512), "freq": (1, 1)}),
    ("lxmert", {"input_ids": (1, 128), "visual_feats": (1, 36, 2048), "visual_pos": (1, 36, 4)}),
    (
        "decision_transformer",
        {
            "states": (1, 20, 17), "actions": (1, 20, 4), "rewards": (1, 20, 1), "returns_to_go": (1, 20, 1),
            "timesteps": (1, 20),
        },
    ),
    (SMALL_LLAVA, {"input_ids": (1, 128 + 4 * 4), "pixel_values": (1, 3, 56, 56)}),
    (SMALL_GEMMA3, {"input_ids": (1, 128 + 4), "pixel_values": (1, 3, 56, 56)}),
    (
        SMALL_QWEN3_VL,
        {
            "input_ids": (1, 128 + 7 * 7), "pixel_values": (14 * 14, 3 * 2 * 16 * 16), "image_grid_thw": (1, 3),
            "mm_token_type_ids": (1, 128 + 7 * 7),
        },
    ),
    (
        "llava_next",
        {"input_ids": (1, 128 + 1176), "pixel_values": (1, 3, 3, 336, 336), "image_sizes": (1, 2)},
    ),
    ("idefics3", {"input_ids": (1, 128 + 25), "pixel_values": (1, 1, 3, 336, 336)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "inputs"), FAMILIES, ids=[name.partition("(")[0] for name, _ in FAMILIES])
def test_families_get_what_they_read_and_every_part_runs(name, inputs) -> None:
    workload = resolve(f"transformers:{name}")
    assert shapes(workload) == inputs
    p = profile(workload.model, kwargs=workload.kwargs, strict=True)
    ran = {entry.name for entry in p.modules if entry.calls}
    towers = {n for n, child in workload.model.named_children() if any(True for _ in child.parameters())}
    assert p.macs > 0
    assert towers, ran
