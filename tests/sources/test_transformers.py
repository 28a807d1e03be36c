"""Inputs for the architectures of transformers: of the layout that each takes, with every tower counted."""

from __future__ import annotations

import importlib.util
import json
import re

import pytest
from command_line import refused, run

from flopsight import profile
from flopsight.errors import InputError
from flopsight.sources import Sizes, Workload, resolve
from flopsight.tracing.given.inputs import Plain

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


TOWER = re.compile(r"^(?!.*pos).*(vision|visual|audio|text|encoder|decoder|language|semantic)")


def shapes(workload: Workload) -> dict[str, tuple[int, ...]]:
    given = {name: value.value if isinstance(value, Plain) else value for name, value in workload.kwargs.items()}
    return {name: tuple(getattr(value, "shape", value)) for name, value in given.items()}


FAMILIES = [
    ("bert", {"input_ids": (1, 128)}),
    ("BertForMultipleChoice", {"input_ids": (1, 2, 128)}),
    ("layoutlm", {"input_ids": (1, 128), "bbox": (1, 128, 4)}),
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
    ("jev", {"input_ids": (1, 128), "marks": (1, 1), "num_options": (1, 1), "question_type_ids": (1, 1)}),
    ("inkling2_vision", {"pixel_values": (5 * 5, 40, 40, 3), "image_grid_thw": (1, 3)}),
    (
        "pi0",
        {
            "state": (1, 32), "input_ids": (1, 128 + 16 * 16), "pixel_values": (1, 1, 3, 224, 224),
            "pixel_attention_mask": (1, 1),
        },
    ),
    ("xcodec2", {"input_values": (1, 1, 16_000), "input_features": (1, 50, 160), "input_features_mask": (1, 50)}),
    ("granite_speech5_encoder", {"input_features": (1, 1500, 4 * 80)}),
    ("voxtral_realtime", {"input_ids": (1, 3000 // 8), "input_features": (1, 128, 3000)}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "inputs"), FAMILIES, ids=[name.partition("(")[0] for name, _ in FAMILIES])
def test_families_get_what_they_read_and_every_part_runs(name, inputs) -> None:
    workload = resolve(f"transformers:{name}")
    assert shapes(workload) == inputs
    p = profile(workload.model, kwargs=workload.kwargs, strict=True)
    assert p.macs > 0
    by_module = p.by_module()
    for path, module in workload.model.named_modules():
        if (
            path.count(".") < 2
            and TOWER.search(path.rpartition(".")[2])
            and any(w.dim() > 1 for w in module.parameters())
        ):
            assert by_module[path].macs > 0, path


PARTS = [
    ("blt_local_decoder", {"inputs_embeds": (1, 128, 1024), "patch_embeds": (1, 128 // 4, 2048)}),
    ("dia_decoder", {"input_ids": (1, 128, 9), "encoder_hidden_states": (1, 128, 1024)}),
    ("moshi_depth", {"input_ids": (1, 8), "last_hidden_state": (1, 8, 4096)}),
    ("qwen3_omni_moe_talker_code_predictor", {"inputs_embeds": (1, 128, 1024)}),
    ("idefics2_perceiver", {"context": (1, 128, 4096), "attention_mask": (1, 128)}),
    ("molmo2_adapter", {"image_features": (1, 14 * 14, 2 * 1152), "pooled_patches_idx": (7 * 7, 4)}),
    ("muse_glimmer_assistant", {"noise_embeds": (1, 16, 6656), "context_hidden_states": (1, 128, 5 * 6656)}),
    ("unlimited_ocr_vision_encoder", {"patch_embeds": (1, 1024, 16, 16)}),
    (
        "sam3_detr_decoder",
        {
            "vision_features": (1, 14 * 14, 256), "text_features": (1, 128, 256),
            "vision_pos_encoding": (1, 14 * 14, 256), "spatial_shapes": (1, 2),
        },
    ),
    (
        "qwen2_5_omni_dit",
        {
            "hidden_states": (1, 3000, 80), "condition_vector": (1, 3000, 80), "speaker_embedding": (1, 3000, 192),
            "quantized_code": (1, 3000 // 2), "time_step": (),
        },
    ),
]  # fmt: skip


@pytest.mark.parametrize(("name", "inputs"), PARTS, ids=[name for name, _ in PARTS])
def test_parts_get_what_other_parts_make(name, inputs) -> None:
    workload = resolve(f"transformers:{name}")
    assert shapes(workload) == inputs
    assert profile(workload.model, kwargs=workload.kwargs, strict=True).macs > 0


def test_maps_of_an_image_and_counts_of_patches_among_the_inputs_of_a_part() -> None:
    decoder = resolve("transformers:sam3_mask_decoder")
    assert [tuple(each.shape) for each in decoder.kwargs["backbone_features"]] == [
        (1, 256, 56, 56), (1, 256, 28, 28), (1, 256, 14, 14),
    ]  # fmt: skip
    assert profile(decoder.model, kwargs=decoder.kwargs, strict=True).macs > 0
    encoder = resolve("transformers:blt_local_encoder(num_hidden_layers=1)", sizes=Sizes(seq=10))
    assert encoder.kwargs["num_patches"] == Plain(3)
    assert encoder.kwargs["patch_ids"].tolist() == [[0, 0, 0, 0, 1, 1, 1, 1, 2, 2]]


def test_patches_that_fill_no_square_are_pooled_as_far_as_there_are_any() -> None:
    pooled = resolve("transformers:molmo2_adapter", sizes=Sizes(image=(48, 80))).kwargs["pooled_patches_idx"]
    assert pooled.tolist() == [
        [0, 1, 5, 6], [2, 3, 7, 8], [4, -1, 9, -1], [10, 11, -1, -1], [12, 13, -1, -1], [14, -1, -1, -1],
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "sentence"), [
    ("deepseek_v2", "Either its configuration does not fit together"),
    ("bark", "BarkModel has no forward, for it is run by other methods"),
    ("sam2_video", "needs inputs (its forward takes inference_session); give one for each argument"),
])  # fmt: skip
def test_what_cannot_be_fed_is_refused(capsys, name, sentence) -> None:
    assert sentence in refused(capsys, f"transformers:{name}")


def test_sizes_are_the_users() -> None:
    def given(name: str, **sizes) -> dict[str, tuple[int, ...]]:
        return shapes(resolve(f"transformers:{name}", sizes=Sizes(**sizes)))

    assert given("bert", batch=8, seq=512) == {"input_ids": (8, 512)}
    assert given("vit(image_size=384)", batch=2) == {"pixel_values": (2, 3, 384, 384)}
    assert given("detr", image=(320, 256)) == {"pixel_values": (1, 3, 320, 256)}
    assert given("wav2vec2", audio_s=2.5) == {"input_values": (1, 40_000)}
    assert given("encodec", audio_s=2) == {"input_values": (1, 1, 48_000)}
    assert given("speech_to_text", audio_s=10, seq=7) == {
        "input_features": (1, 1000, 80), "decoder_input_ids": (1, 7),
    }  # fmt: skip
    assert given("videomae(num_frames=8)", frames=8) == {"pixel_values": (1, 8, 3, 224, 224)}
    assert given(SMALL_LLAVA, batch=3, seq=10) == {"input_ids": (3, 10 + 16), "pixel_values": (3, 3, 56, 56)}
    assert given(SMALL_QWEN3_VL, batch=2, seq=10, image=(64, 128)) == {
        "input_ids": (2, 10 + 2 * 4), "pixel_values": (2 * 4 * 8, 1536), "image_grid_thw": (2, 3),
        "mm_token_type_ids": (2, 10 + 2 * 4),
    }  # fmt: skip


def test_a_batch_costs_as_much_as_its_examples() -> None:
    for name in (SMALL_LLAVA, SMALL_QWEN3_VL, "siglip2"):
        one, three = (resolve(f"transformers:{name}", sizes=Sizes(batch=batch)) for batch in (1, 3))
        alone = profile(one.model, kwargs=one.kwargs).macs
        together = profile(three.model, kwargs=three.kwargs).macs
        assert abs(together - 3 * alone) <= 3e-4 * together, name  # heads that compare the examples of a batch


@pytest.mark.parametrize(("name", "options", "sentence"), [
    ("bert", ["--image", "224"], "no input that --image would set"),
    ("vit", ["--seq", "64"], "no input that --seq would set"),
    ("bert", ["--audio", "3s"], "no input that --audio would set"),
    ("gpt2", ["--seq", "2048"], "--seq 2048 is more than the 1024 positions that GPT2LMHeadModel has learned"),
    ("bert", ["--task", "clasification"], "There is no task 'clasification'. Did you mean 'classification'"),
    ("bert", ["--task", "detection"], "no class for the task 'detection' and the model type 'bert'. It has"),
    ("whisper", ["--audio", "10s"], "Whisper expects the mel input features to be of length 3000, but found 1000"),
])  # fmt: skip
def test_sizes_and_tasks_that_a_model_has_not_are_refused(capsys, name, options, sentence) -> None:
    assert sentence in refused(capsys, f"transformers:{name}", *options)


@pytest.mark.parametrize(("text", "options", "sentence"), [
    ("--image", ["0"], "'0' is no size of an image; write 384 or 384x512"),
    ("--image", ["axb"], "'axb' is no size of an image"), ("--audio", ["-3s"], "'-3s' is no length in seconds"),
    ("--audio", ["infs"], "'infs' is no length in seconds"), ("--frames", ["0"], "'0' is no number of at least 1"),
])  # fmt: skip
def test_sizes_that_are_none_are_refused(capsys, text, options, sentence) -> None:
    assert sentence in refused(capsys, "transformers:bert", f"{text}={options[0]}")


def test_sizes_reach_the_report(capsys) -> None:
    code, out, _ = run(capsys, "transformers:bert(num_hidden_layers=1)", "--batch", "2", "--seq", "64")
    assert code == 0
    assert "on input_ids=int64[2, 64]" in out


@pytest.mark.parametrize(("name", "task", "kind"), [
    ("bert", "masked-lm", "BertForMaskedLM"), ("bert", "classification", "BertForSequenceClassification"),
    ("vit", "classification", "ViTForImageClassification"), ("bart", "seq2seq", "BartForConditionalGeneration"),
    ("wav2vec2", "ctc", "Wav2Vec2ForCTC"), ("whisper", "seq2seq", "WhisperForConditionalGeneration"),
    ("detr", "detection", "DetrForObjectDetection"), ("detr", "segmentation", "DetrForSegmentation"),
    ("llama", "token-classification", "LlamaForTokenClassification"), ("gpt2", "base", "GPT2Model"),
    ("roberta", "multiple-choice", "RobertaForMultipleChoice"), ("llama", None, "LlamaForCausalLM"),
    ("qwen2_vl", None, "Qwen2VLForConditionalGeneration"), ("internlm3", None, "LlamaModel"),
])  # fmt: skip
def test_a_task_picks_the_class(name, task, kind) -> None:
    assert type(resolve(f"transformers:{name}", task=task).model).__name__ == kind


SMALL_EXPERTS = (
    "(num_hidden_layers=2, hidden_size=32, intermediate_size=48, num_attention_heads=4, num_key_value_heads=2, "
    "vocab_size=64, num_experts_per_tok=2"
)


@pytest.mark.parametrize("name", [
    f"mixtral{SMALL_EXPERTS}, num_local_experts=4",
    f"qwen3_moe{SMALL_EXPERTS}, num_experts=4, moe_intermediate_size=24, head_dim=8",
])  # fmt: skip
def test_grouped_experts_cost_what_looped_ones_do(name) -> None:
    """The grouped product has the same shapes whichever experts the tokens go to; the loop runs for real."""
    grouped = resolve(f"transformers:{name})")
    looped = resolve(f"transformers:{name}, experts_implementation='eager')", real=True)
    kinds = [workload.model.config._experts_implementation for workload in (grouped, looped)]
    assert kinds == ["grouped_mm", "eager"]
    executed = profile(looped.model, kwargs=looped.kwargs, execute=True)
    assert profile(grouped.model, kwargs=grouped.kwargs).macs == executed.macs > 0


class TestNames:
    @pytest.fixture
    def folder(self, tmp_path):
        (tmp_path / "config.json").write_text(json.dumps({"model_type": "bert", "num_hidden_layers": 1}))
        return tmp_path

    def test_a_folder_with_a_configuration(self, folder) -> None:
        assert resolve(f"transformers:{folder}").model.config.num_hidden_layers == 1

    def test_a_folder_without_one(self, tmp_path) -> None:
        with pytest.raises(InputError, match=r"config.json cannot be read: No such file"):
            resolve(f"transformers:{tmp_path}")

    def test_a_model_in_the_local_cache(self, tmp_path, monkeypatch) -> None:
        commit = "0123456789abcdef0123456789abcdef01234567"
        stored = tmp_path / "models--someone--small" / "snapshots" / commit
        stored.mkdir(parents=True)
        (stored / "config.json").write_text(json.dumps({"model_type": "bert", "num_hidden_layers": 1}))
        (tmp_path / "models--someone--small" / "refs").mkdir()
        (tmp_path / "models--someone--small" / "refs" / "main").write_text(commit)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
        monkeypatch.setattr("huggingface_hub.file_download.HF_HUB_CACHE", str(tmp_path), raising=False)
        assert resolve("transformers:someone/small").model.config.num_hidden_layers == 1
        with pytest.raises(InputError, match=r"no folder 'someone/large'.*downloads nothing"):
            resolve("transformers:someone/large")
        with pytest.raises(InputError, match=r"no folder 'a/b/c'"):
            resolve("transformers:a/b/c")

    def test_code_of_others_is_not_run(self, tmp_path) -> None:
        (tmp_path / "config.json").write_text('{"model_type": "custom", "auto_map": {"AutoModel": "modeling.Custom"}}')
        with pytest.raises(
            InputError, match=r"code that lies beside its weights \(auto_map\), which flopsight does not run"
        ):
            resolve(f"transformers:{tmp_path}")
