"""Models of diffusers, where it is installed: small ones are counted, large ones are only built."""

from __future__ import annotations

import importlib.util
import json

import pytest

import flopsight
from flopsight.cli import main
from flopsight.errors import InputError
from flopsight.sources import Sizes, Workload, resolve
from flopsight.tracing.given.inputs import describe

pytestmark = pytest.mark.skipif(importlib.util.find_spec("diffusers") is None, reason="diffusers is not installed")

XL = {
    "sample_size": 128, "block_out_channels": (320, 640, 1280), "cross_attention_dim": 2048,
    "down_block_types": ("DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
    "up_block_types": ("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D"),
    "transformer_layers_per_block": (1, 2, 10), "attention_head_dim": (5, 10, 20), "use_linear_projection": True,
    "addition_embed_type": "text_time", "addition_time_embed_dim": 256, "projection_class_embeddings_input_dim": 2816,
}  # fmt: skip
VAE = {
    "block_out_channels": (128, 256, 512, 512), "layers_per_block": 2, "latent_channels": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 4, "up_block_types": ("UpDecoderBlock2D",) * 4,
}  # fmt: skip
TINY_UNET = {
    "block_out_channels": (32, 64), "layers_per_block": 1, "cross_attention_dim": 16, "attention_head_dim": 4,
    "down_block_types": ("CrossAttnDownBlock2D", "DownBlock2D"),
    "up_block_types": ("UpBlock2D", "CrossAttnUpBlock2D"),
}  # fmt: skip
TINY_FLUX = {
    "num_layers": 1, "num_single_layers": 1, "attention_head_dim": 8, "num_attention_heads": 2, "in_channels": 16,
    "joint_attention_dim": 12, "pooled_projection_dim": 10, "axes_dims_rope": (2, 2, 4),
}  # fmt: skip
TINY_WAN = {
    "num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 12, "in_channels": 16, "out_channels": 16,
    "text_dim": 10, "freq_dim": 8, "ffn_dim": 16,
}  # fmt: skip
TINY_COG = {
    "num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 8, "in_channels": 4, "text_embed_dim": 10,
    "time_embed_dim": 4, "sample_width": 8, "sample_height": 6, "sample_frames": 9, "max_text_seq_length": 5,
    "use_rotary_positional_embeddings": True,
}  # fmt: skip


def address(name: str, config: dict[str, object]) -> str:
    arguments = ", ".join(f"{key}={value!r}" for key, value in config.items())
    return f"diffusers:{name}({arguments})"


def named(name: str, config: dict[str, object], **sizes: object) -> Workload:
    return resolve(address(name, config), sizes=Sizes(**sizes))


def macs(workload: Workload) -> int:
    profile = flopsight.profile(workload.model, workload.args, kwargs=workload.kwargs)
    assert not profile.unknown
    return profile.macs


@pytest.mark.parametrize(("name", "config", "count"), [
    ("UNet2DConditionModel", {"cross_attention_dim": 768, "attention_head_dim": 8}, 859_520_964),
    ("UNet2DConditionModel", XL, 2_567_463_684),
    ("AutoencoderKL", VAE, 83_653_863),
    ("SD3Transformer2DModel",
     {"num_layers": 24, "num_attention_heads": 24, "caption_projection_dim": 1536, "pos_embed_max_size": 192},
     2_028_328_000),
    ("FluxTransformer2DModel", {"guidance_embeds": True}, 11_901_408_320),
])  # fmt: skip
def test_published_models_have_their_parameters(name, config, count) -> None:
    from flopsight.sources import Request
    from flopsight.sources._importable import libraries_importable
    from flopsight.sources.diffusers.models import model

    with libraries_importable():
        made = model(Request(name, config))
    assert sum(p.numel() for p in made.parameters()) == count
    assert all(p.is_meta for p in made.parameters() if p.numel() > 2**16)


@pytest.mark.parametrize(("name", "config", "sizes", "inputs"), [
    ("UNet2DConditionModel", TINY_UNET, {}, {"sample": "[1, 4, 64, 64]", "timestep": "[1]",
     "encoder_hidden_states": "[1, 77, 16]"}),
    ("UNet2DConditionModel",
     {**TINY_UNET, "addition_embed_type": "text_time", "addition_time_embed_dim": 4, "time_cond_proj_dim": 6,
      "projection_class_embeddings_input_dim": 44, "num_class_embeds": 3}, {"batch": 2, "seq": 7, "image": (256, 128)},
     {"sample": "[2, 4, 32, 16]", "timestep": "[2]", "encoder_hidden_states": "[2, 7, 16]", "timestep_cond": "[2, 6]",
      "class_labels": "int64[2]", "added_cond_kwargs": {"text_embeds": "[2, 20]", "time_ids": "[2, 6]"}}),
    ("UNet2DModel", {"block_out_channels": (32,), "down_block_types": ("DownBlock2D",), "layers_per_block": 1,
     "up_block_types": ("UpBlock2D",)}, {"image": (48, 48)}, {"sample": "[1, 3, 48, 48]", "timestep": "[1]"}),
    ("AutoencoderKL", {}, {}, {"sample": "[1, 3, 512, 512]"}),
    ("AutoencoderKL", {"sample_size": 96}, {}, {"sample": "[1, 3, 96, 96]"}),
    ("AutoencoderOobleck", {"encoder_hidden_size": 8, "decoder_channels": 8, "decoder_input_channels": 4,
     "downsampling_ratios": [2, 4], "channel_multiples": [1, 2]}, {"audio_s": 0.5}, {"sample": "[1, 2, 22050]"}),
    ("FluxTransformer2DModel", {**TINY_FLUX, "guidance_embeds": True}, {"image": (256, 128), "seq": 9},
     {"hidden_states": "[1, 128, 16]", "encoder_hidden_states": "[1, 9, 12]", "pooled_projections": "[1, 10]",
      "timestep": "[1]", "img_ids": "float32[128, 3]", "txt_ids": "float32[9, 3]", "guidance": "[1]"}),
    ("WanTransformer3DModel", TINY_WAN, {"frames": 17, "image": (64, 96)},
     {"hidden_states": "[1, 16, 5, 8, 12]", "timestep": "[1]", "encoder_hidden_states": "[1, 512, 10]"}),
    ("CogVideoXTransformer3DModel", TINY_COG, {},
     {"hidden_states": "[1, 3, 4, 6, 8]", "encoder_hidden_states": "[1, 5, 10]", "timestep": "[1]",
      "image_rotary_emb": ["[36, 8]", "[36, 8]"]}),
    ("LTXVideoTransformer3DModel",
     {"num_layers": 1, "num_attention_heads": 2, "attention_head_dim": 8, "cross_attention_dim": 16,
      "caption_channels": 10}, {"frames": 17, "image": (64, 96)},
     {"hidden_states": "[1, 18, 128]", "encoder_hidden_states": "[1, 512, 10]", "timestep": "[1]",
      "encoder_attention_mask": "bool[1, 512]", "num_frames": 3, "height": 2, "width": 3}),
])  # fmt: skip
def test_models_run_on_what_they_are_given(name, config, sizes, inputs) -> None:
    workload = named(name, config, **sizes)
    assert (describe(workload.kwargs), workload.args) == (inputs, ())
    assert macs(workload) > 0


def test_an_attention_and_its_projections_are_counted_by_hand() -> None:
    """A block of Flux: C channels, N tokens of the image and T of the text, joined in the attention."""
    tokens, N, T, C = 128 + 9, 128, 9, 16
    deeper = {**TINY_FLUX, "num_single_layers": 2}
    one, two = (
        macs(named("FluxTransformer2DModel", config, image=(256, 128), seq=T)) for config in (TINY_FLUX, deeper)
    )
    attention = 2 * tokens * tokens * C
    assert two - one == attention + tokens * (3 * C * C + 4 * C * C + 5 * C * C) + 3 * C * C
    by_image = macs(named("FluxTransformer2DModel", TINY_FLUX, image=(256, 256), seq=T)) - one
    more = (2 * N + T) ** 2 - (N + T) ** 2
    assert by_image == N * (2 * 16 * C + 12 * C * C + 12 * C * C) + 2 * 2 * C * more


@pytest.fixture
def pipeline(tmp_path):
    (tmp_path / "model_index.json").write_text('{"_class_name": "StableDiffusionPipeline"}')
    for folder, config in {
        "unet": {"_class_name": "UNet2DConditionModel", "_diffusers_version": "0.6.0", "sample_size": 24, **TINY_UNET},
        "text_encoder": {"model_type": "clip_text_model"},
        "scheduler": {"_class_name": "PNDMScheduler"},
    }.items():
        (tmp_path / folder).mkdir()
        name = "scheduler_config.json" if folder == "scheduler" else "config.json"
        (tmp_path / folder / name).write_text(json.dumps(config))
    return tmp_path


@pytest.mark.parametrize("path", ["unet", "unet/config.json"])
def test_a_configuration_is_read_from_its_file_or_folder(pipeline, path) -> None:
    workload = resolve(f"diffusers:{pipeline / path}(in_channels=9)")
    assert workload.kwargs["sample"].shape == (1, 9, 24, 24)
    assert workload.model.config.cross_attention_dim == 16


def test_a_pipeline_tells_its_models(pipeline) -> None:
    with pytest.raises(InputError) as told:
        resolve(f"diffusers:{pipeline}")
    assert str(told.value) == (
        f"{pipeline} is a pipeline, which is several models; name one of them: "
        f"transformers:{pipeline}/text_encoder and diffusers:{pipeline}/unet."
    )


@pytest.mark.parametrize(("text", "sentence"), [
    ("{", "is not JSON"), ("[]", "of no model of diffusers, but of None"),
    ('{"_class_name": "PNDMScheduler"}', "of no model of diffusers, but of 'PNDMScheduler'"),
    ('{"_class_name": "AutoencoderKl"}', "Did you mean .*'AutoencoderKL'"),
    ('{"_class_name": "AutoencoderKL", "block_out_channels": 3}', "could not be built: TypeError"),
    (None, "cannot be read: No such file"),
])  # fmt: skip
def test_wrong_files_get_a_sentence(tmp_path, text, sentence) -> None:
    path = tmp_path / "config.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(InputError, match=sentence):
        resolve(f"diffusers:{path}")


@pytest.mark.parametrize(("name", "sentence"), [
    ("FluxTransformer2DModle", "no model 'FluxTransformer2DModle'.*Did you mean .*'FluxTransformer2DModel'"),
    ("ModelMixin", "no model 'ModelMixin'"),
    ("DDPMScheduler", "no model 'DDPMScheduler'"),
    ("someone/some-model", "no folder 'someone/some-model'. Nothing is downloaded"),
    ("Transformer2DModel", "could not be built.* name a config.json, or give arguments"),
    ("AutoencoderKL(layers=2)", "could not be built.*'layers'"),
])  # fmt: skip
def test_wrong_names_get_a_sentence(name, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        resolve(f"diffusers:{name}")


def test_an_argument_that_a_file_s_class_has_not_is_refused(pipeline) -> None:
    with pytest.raises(InputError, match=r"UNet2DConditionModel has no argument 'in_channel'.*'in_channels'"):
        resolve(f"diffusers:{pipeline / 'unet'}(in_channel=9)")


def test_sizes_that_a_model_has_not_are_refused() -> None:
    with pytest.raises(InputError, match="no input that --frames would set"):
        named("UNet2DConditionModel", TINY_UNET, frames=3)


def test_a_model_of_unknown_inputs_says_which_it_needs(capsys) -> None:
    motion = "diffusers:MotionAdapter(block_out_channels=(32, 32), use_motion_mid_block=False)"
    assert resolve(motion).args is None
    assert main(["profile", motion]) == 2
    assert "needs inputs" in capsys.readouterr().err
