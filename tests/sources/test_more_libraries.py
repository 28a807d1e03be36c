"""Models of torch_geometric, ultralytics, segmentation_models_pytorch and torchaudio, where installed; ONNX."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

import flopsight
from flopsight.cli import main
from flopsight.errors import InputError
from flopsight.sources import Sizes, resolve

pytestmark = pytest.mark.filterwarnings("ignore")  # of these libraries, about themselves and PyTorch


def needs(*libraries: str) -> pytest.MarkDecorator:
    missing = [name for name in libraries if importlib.util.find_spec(name) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


def measured(address: str, **sizes: object) -> flopsight.Profile:
    workload = resolve(address, sizes=Sizes(**sizes))  # type: ignore[arg-type]
    return flopsight.profile(workload.model, workload.args, kwargs=workload.kwargs)


@needs("torch_geometric")
class TestTorchGeometric:
    NODES, FEATURES, CLASSES = 2708, 1433, 7

    def test_the_cost_of_a_graph_network_is_that_of_its_layers(self) -> None:
        found = measured("torch_geometric:GCN")
        assert found.macs == self.NODES * 64 * (self.FEATURES + self.CLASSES)
        assert found.params == 64 * (self.FEATURES + 1) + self.CLASSES * (64 + 1)
        assert not found.unknown

    def test_arguments_reach_the_constructor(self) -> None:
        found = measured("pyg:GraphSAGE(in_channels=10, hidden_channels=8, out_channels=3)")
        assert found.macs == 2 * self.NODES * 8 * (10 + 3)  # of a node, and of the mean of its neighbours

    @pytest.mark.parametrize(("address", "message"), [
        ("pyg:GTA", r"Did you mean .GAT."), ("pyg:GraphUNet", r"also needs depth.*GraphUNet\(depth=...\)"),
    ])  # fmt: skip
    def test_what_is_missing_is_named(self, address: str, message: str) -> None:
        with pytest.raises(InputError, match=message):
            resolve(address)

    def test_a_graph_has_no_batch(self) -> None:
        with pytest.raises(InputError, match="--batch"):
            resolve("pyg:GCN", sizes=Sizes(batch=2))


@needs("ultralytics", "cv2")
class TestUltralytics:
    @pytest.mark.parametrize(("name", "params", "gflops"), [
        ("yolo11n", 2_624_080, 6.5), ("yolov8n", 3_157_200, 8.7), ("yolo11n-seg", 2_876_848, None),
        ("rtdetr-l", 32_970_476, None), ("yolov8n-cls", None, None),
    ])  # fmt: skip
    def test_published_figures(self, name: str, params: int | None, gflops: float | None) -> None:
        found = measured(f"ultralytics:{name}")
        assert not found.unknown
        assert params is None or found.params == params
        assert gflops is None or round(found.flops / 1e9, 1) == pytest.approx(gflops, abs=0.15)

    def test_batch_and_image(self) -> None:
        small, large = (
            measured("ultralytics:yolo11n", batch=1, image=(320, 320)),
            measured("ultralytics:yolo11n", batch=2),
        )
        assert 4 * 1.9 < large.macs / small.macs < 4 * 2.1

    def test_nothing_is_downloaded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        import torch

        monkeypatch.setattr(torch.hub, "load_state_dict_from_url", lambda *_, **__: pytest.fail("it was downloaded"))
        assert measured("ultralytics:yolo11-cls-resnet18").params > 10**7

    def test_names_have_scales_and_near_matches(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models", "ultralytics", "yolo11?"]) == 0
        assert capsys.readouterr().out.split() == [f"ultralytics:yolo11{scale}" for scale in "lmnsx"]
        with pytest.raises(InputError, match=r"Did you mean .*yolo11n"):
            resolve("ultralytics:yolo11nn")


@needs("segmentation_models_pytorch")
class TestSegmentation:
    def test_an_architecture_on_its_encoder(self) -> None:
        found = measured("smp:unet")
        assert (found.params, found.unknown) == (24_436_369, {})
        assert found.macs == measured("smp:unet", image=(512, 512), batch=2).macs // 2

    def test_an_encoder_of_one_size(self) -> None:
        assert resolve("smp:dpt").args == ((1, 3, 224, 224),)

    def test_unknown_names(self) -> None:
        with pytest.raises(InputError, match="Did you mean 'unet"):
            resolve("smp:unett")


@needs("torchaudio")
class TestTorchaudio:
    def test_speech(self) -> None:
        found = measured("torchaudio:wav2vec2_base")
        assert (found.params, found.unknown) == (94_370_944, {})

    @pytest.mark.parametrize(
        "name", ["conv_tasnet_base", "hdemucs_low", "Tacotron2", "emformer_rnnt_base", "Wav2Letter"]
    )
    def test_each_kind_of_model_has_its_inputs(self, name: str) -> None:
        assert measured(f"torchaudio:{name}").macs > 10**8

    def test_seconds(self) -> None:
        assert resolve("torchaudio:wav2vec2_base", sizes=Sizes(audio_s=2.5)).args == ((1, 40_000),)


@needs("onnx", "onnx2torch")
class TestOnnx:
    @pytest.fixture
    def path(self, tmp_path: Path) -> Path:
        """A convolution, a pooling and a product; the batch is left open."""
        import numpy as np
        import onnx
        from onnx import TensorProto, helper, numpy_helper

        weights = {"w": np.zeros((8, 3, 3, 3), np.float32), "f": np.zeros((8, 5), np.float32)}
        nodes = [
            helper.make_node("Conv", ["x", "w"], ["c"], pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["c"], ["p"]),
            helper.make_node("Flatten", ["p"], ["q"]),
            helper.make_node("Gemm", ["q", "f"], ["y"]),
        ]
        ends = [
            helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
            for name, shape in (("x", ["N", 3, 16, 16]), ("y", ["N", 5]))
        ]
        held = [numpy_helper.from_array(value, name) for name, value in weights.items()]
        graph = helper.make_graph(nodes, "graph", ends[:1], ends[1:], held)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])
        onnx.save(model, tmp_path / "model.onnx")
        return tmp_path / "model.onnx"

    def test_a_graph_is_counted_at_its_own_sizes(self, path: Path) -> None:
        assert measured(str(path)).macs == 16 * 16 * 8 * 3 * 9 + 8 * 5
        assert measured(f"onnx:{path}", batch=4).macs == 4 * measured(str(path)).macs

    def test_what_is_no_graph_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "bad.onnx").write_bytes(b"\xff\xff\xff")
        for name, message in (("bad.onnx", "cannot be read as ONNX"), ("none.onnx", "There is no file")):
            with pytest.raises(InputError, match=message):
                resolve(str(tmp_path / name))


@pytest.mark.parametrize("name", ["model.pt", "a/model.pth", "model.ckpt", "model.safetensors", "pytorch_model.bin"])
def test_files_of_weights_are_refused_unread(name: str) -> None:
    with pytest.raises(InputError, match=r"path/to/net.py:NAME, or save the model with torch.export.save"):
        resolve(name)


class TestModels:
    def test_names_by_pattern(self, capsys: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip("timm")
        assert main(["models", "timm", "vit_tiny_patch16_???"]) == 0
        assert capsys.readouterr().out.split() == ["timm:vit_tiny_patch16_224", "timm:vit_tiny_patch16_384"]

    def test_libraries(self, capsys: pytest.CaptureFixture[str]) -> None:
        assert main(["models"]) == 0
        printed = capsys.readouterr().out
        assert "torchvision" in printed
        assert "timm:NAME" in printed

    @pytest.mark.parametrize(("arguments", "message"), [
        (["tim"], "Did you mean .timm."), (["timm", "vitt_tiny_patch16_224"], r"None of the .* Did you mean"),
    ])  # fmt: skip
    def test_wrong_names(self, arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
        pytest.importorskip("timm")
        assert main(["models", *arguments]) == 2

        assert re.search(message, capsys.readouterr().err)
