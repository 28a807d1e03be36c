"""Models of torchvision, timm and transformers, where these are installed."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys

import pytest
import torch

from flopsight import profile
from flopsight.cli import main
from flopsight.errors import InputError, MissingLibraryError
from flopsight.sources import Request, Sizes, Workload, _optional, resolve, torchvision


def needs(library: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(importlib.util.find_spec(library) is None, reason=f"{library} is not installed")


def parameters(workload: Workload) -> int:
    return sum(p.numel() for p in workload.model.parameters())


def sizes(workload: Workload) -> dict[str, tuple[int, ...]]:
    return {name: spec.shape for name, spec in workload.kwargs.items()}


@needs("torchvision")
class TestTorchvision:
    @pytest.mark.parametrize(("name", "count", "inputs"), [
        ("resnet50", 25_557_032, ((1, 3, 224, 224),)), ("vit_b_16", 86_567_656, ((1, 3, 224, 224),)),
        ("efficientnet_b1", 7_794_184, ((1, 3, 240, 240),)), ("r3d_18", 33_371_472, ((1, 3, 16, 112, 112),)),
        ("lraspp_mobilenet_v3_large", 3_221_538, ((1, 3, 520, 520),)), ("ssd300_vgg16", 35_641_826, ([(3, 480, 640)],)),
        ("raft_small", 990_162, ((1, 3, 520, 960), (1, 3, 520, 960))),
        ("regnet_y_400mf", 4_344_144, ((1, 3, 224, 224),)),
    ])  # fmt: skip
    def test_models_have_their_published_parameters_and_inputs(self, name, count, inputs) -> None:
        workload = resolve(f"torchvision:{name}")
        assert parameters(workload) == count
        assert workload.args == inputs
        assert all(p.is_meta for p in workload.model.parameters() if p.numel() > 2**16)

    def test_every_model_builds_without_weights(self, monkeypatch) -> None:
        import flopsight.sources._weightless as weightless

        def strictly(factory, arguments, *, real):
            with weightless._Weightless():
                return factory(**arguments)

        monkeypatch.setattr(weightless, "build", strictly)
        names = [name for name in torchvision.names() if not name.startswith(("quantized", "swin3d"))]
        assert len(names) > 100
        for name in names:
            assert torchvision.build(Request(name)).args, name

    def test_arguments_reach_the_constructor(self) -> None:
        assert parameters(resolve("torchvision:resnet18(num_classes=10)")) == 11_689_512 - 990 * 513
        assert resolve("torchvision:vit_b_16(image_size=384)").args == ((1, 3, 384, 384),)

    def test_an_unknown_model_gets_near_ones(self) -> None:
        with pytest.raises(InputError, match=r"no model 'resnet51'.*Did you mean .*'resnet50'"):
            resolve("torchvision:resnet51")
        with pytest.raises(InputError, match=r"Did you mean .*'torchvision:resnet50'"):
            resolve("resnet50")

    def test_sizes_are_the_users(self) -> None:
        sizes = Sizes(batch=2, image=(96, 128))
        assert resolve("torchvision:resnet18", sizes=sizes).args == ((2, 3, 96, 128),)
        assert resolve("torchvision:ssd300_vgg16", sizes=sizes).args == ([(3, 96, 128), (3, 96, 128)],)
        assert resolve("torchvision:raft_small", sizes=sizes).args == ((2, 3, 96, 128), (2, 3, 96, 128))
        assert resolve("torchvision:r3d_18", sizes=Sizes(frames=8)).args == ((1, 3, 8, 112, 112),)
        with pytest.raises(InputError, match="resnet18 has no input that --seq would set"):
            resolve("torchvision:resnet18", sizes=Sizes(seq=8))
        with pytest.raises(InputError, match="resnet18 is a model for one task; leave out --task causal-lm"):
            resolve("torchvision:resnet18", task="causal-lm")


@needs("timm")
class TestTimm:
    def test_models_have_their_input_size(self) -> None:
        workload = resolve("timm:vit_base_patch16_384.augreg_in21k_ft_in1k")
        assert (parameters(workload), workload.args) == (86_859_496, ((1, 3, 384, 384),))

    def test_arguments_reach_the_constructor(self) -> None:
        assert resolve("timm:vit_tiny_patch16_224(img_size=96)").args == ((1, 3, 96, 96),)

    @pytest.mark.parametrize("name", ["vit_tiny_patch16_224", "resnet18", "swin_tiny_patch4_window7_224"])
    def test_sizes_are_the_users(self, name) -> None:
        workload = resolve(f"timm:{name}", sizes=Sizes(batch=2, image=(256, 320)))
        assert workload.args == ((2, 3, 256, 320),)
        assert profile(workload.model, *workload.args).macs > 0

    def test_sizes_it_has_not_are_refused(self) -> None:
        with pytest.raises(InputError, match="resnet18 has no input that --frames would set"):
            resolve("timm:resnet18", sizes=Sizes(frames=8))

    def test_an_unknown_model_gets_near_ones(self) -> None:
        with pytest.raises(InputError, match=r"timm has no model 'resnet5o'.*Did you mean"):
            resolve("timm:resnet5o")


@needs("transformers")
class TestTransformers:
    @pytest.mark.parametrize(("name", "kind", "inputs"), [
        ("bert", "BertModel", {"input_ids": (1, 128)}),
        ("BertConfig", "BertModel", {"input_ids": (1, 128)}),
        ("gpt2", "GPT2LMHeadModel", {"input_ids": (1, 128)}),
        ("GPT2Model", "GPT2Model", {"input_ids": (1, 128)}),
        ("t5", "T5ForConditionalGeneration", {"input_ids": (1, 128), "decoder_input_ids": (1, 128)}),
        ("clip", "CLIPModel", {"input_ids": (1, 77), "pixel_values": (1, 3, 224, 224)}),
        ("xlnet", "XLNetLMHeadModel", {"input_ids": (1, 128)}),
        ("encodec", "EncodecModel", {"input_values": (1, 1, 16_000)}),
        ("vit", "ViTModel", {"pixel_values": (1, 3, 224, 224)}),
        ("whisper", "WhisperForConditionalGeneration",
         {"input_features": (1, 80, 3000), "decoder_input_ids": (1, 128)}),
    ])  # fmt: skip
    def test_types_and_classes_are_built_with_what_they_read(self, name, kind, inputs) -> None:
        workload = resolve(f"transformers:{name}")
        assert type(workload.model).__name__ == kind
        assert sizes(workload) == inputs
        assert all(p.is_meta for p in workload.model.parameters() if p.numel() > 2**16)

    def test_what_it_cannot_be_called_without_is_wanted_too(self, capsys) -> None:
        part = "transformers:esmfold2"
        workload = resolve(part)
        assert workload.args is None
        assert list(workload.kwargs) == ["attention_mask", "input_ids"]
        assert main(["profile", part]) == 2
        told = capsys.readouterr().err
        assert "needs inputs beside attention_mask and input_ids, which it has (its forward takes token_index, " in told

    def test_a_model_may_have_several_main_inputs(self) -> None:
        workload = resolve("transformers:oneformer")
        assert sizes(workload) == {"pixel_values": (1, 3, 224, 224), "task_inputs": (1, 77)}

    @pytest.mark.parametrize(("name", "kind"), [
        ("clip_text_model", "CLIPTextModel"), ("altclip_text_model", "AltCLIPTextModel"),
        ("superpoint", "SuperPointForKeypointDetection"),
    ])  # fmt: skip
    def test_a_type_without_base_model_is_the_class_that_takes_its_configuration(self, name, kind) -> None:
        assert type(resolve(f"transformers:{name}").model).__name__ == kind

    def test_a_type_without_any_model_is_refused(self) -> None:
        with pytest.raises(InputError, match="no model that runs on a SamPromptEncoderConfig alone"):
            resolve("transformers:sam_prompt_encoder")

    def test_a_configuration_that_refuses_its_arguments_gets_a_sentence(self) -> None:
        with pytest.raises(InputError, match=r"llama could not be built: .*hidden_size"):
            resolve("transformers:llama(hidden_size='x')")

    def test_arguments_are_the_configurations(self) -> None:
        workload = resolve("transformers:llama(num_hidden_layers=2, hidden_size=64, num_attention_heads=4)")
        assert len(workload.model.model.layers) == 2

    def test_a_configuration_file_is_read(self, tmp_path) -> None:
        path = tmp_path / "config.json"
        given = {"model_type": "bert", "architectures": ["BertForMaskedLM"], "num_hidden_layers": 1, "hidden_size": 48}
        path.write_text(json.dumps(given))
        model = resolve(f"transformers:{path}").model
        assert type(model).__name__ == "BertForMaskedLM"
        assert model.config.hidden_size == 48

    @pytest.mark.parametrize(("text", "sentence"), [
        ("{", "is not JSON"), ("[]", "model_type 'None'"), ('{"model_type": "brt"}', "'brt'.*Did you mean 'bert'"),
        (None, "cannot be read: No such file"),
    ])  # fmt: skip
    def test_wrong_files_get_a_sentence(self, tmp_path, text, sentence) -> None:
        path = tmp_path / "config.json"
        if text is not None:
            path.write_text(text)
        with pytest.raises(InputError, match=sentence):
            resolve(f"transformers:{path}")

    def test_an_unknown_model_gets_near_ones(self) -> None:
        with pytest.raises(InputError, match=r"no model type or class 'brt'. Did you mean 'bert'"):
            resolve("transformers:brt")


def test_a_missing_library_says_what_to_install(monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(MissingLibraryError, match=r"named timm:... needs the library timm.*pip install timm"):
        resolve("timm:resnet50")
    with pytest.raises(MissingLibraryError, match="pip install some-package"):
        _optional.require("no_such_library", use="This", install="some-package")


@needs("torchvision")
def test_torchvision_can_be_imported_after_a_failed_import() -> None:
    code = """
try:
    import torchvision
except RuntimeError:
    pass
from flopsight.sources.torchvision_operators import torchvision_importable
import torch
load = torch.ops.load_library
with torchvision_importable():
    import torchvision
assert torch.ops.load_library == load
print(torch.ops.torchvision.nms.default._schema, torchvision.extension._has_ops())
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    expected = "torchvision::nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor True\n"
    assert done.stdout == expected


@needs("torchvision")
@pytest.mark.parametrize("name", ["resnet18", "fasterrcnn_mobilenet_v3_large_320_fpn"])
def test_models_run_for_real(name) -> None:
    workload = resolve(f"torchvision:{name}", real=True)
    image = torch.rand(3, 96, 96)
    with torch.no_grad():
        output = workload.model([image] if "rcnn" in name else image[None])
    assert output[0]["boxes"].shape[1:] == (4,) if "rcnn" in name else output.shape == (1, 1000)
