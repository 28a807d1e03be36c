"""Models of torchaudio, torch_geometric, ultralytics and segmentation_models_pytorch, and files in the ONNX format."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from command_line import refused, run

from flopsight import profile
from flopsight.errors import InputError, MissingLibraryError
from flopsight.sources import models_of, resolve, sources


def needs(*libraries: str) -> pytest.MarkDecorator:
    missing = [library for library in libraries if importlib.util.find_spec(library) is None]
    return pytest.mark.skipif(bool(missing), reason=f"{', '.join(missing)} is not installed")


def measured(text: str, **sizes):
    workload = resolve(text, **sizes)
    return profile(workload.model, workload.args, kwargs=workload.kwargs, strict=True)


def names(prefix: str) -> list[str]:
    (source,) = (source for source in sources() if source.prefix == prefix)
    return models_of(source)


@needs("torchaudio")
class TestTorchaudio:
    @pytest.mark.parametrize(("name", "count"), [
        ("wav2vec2_base", 94_371_712 - 768),  # published, without the vector that stands for masked sound in training
        ("Wav2Letter", None), ("Tacotron2", None), ("emformer_rnnt_base", None), ("squim_subjective_base", None),
    ])  # fmt: skip
    def test_models_run_on_what_they_take(self, name, count) -> None:
        p = measured(f"torchaudio:{name}")
        assert p.macs > 0
        assert count in (None, p.params)

    def test_sound_is_as_long_as_asked_for(self, capsys) -> None:
        code, out, _ = run(capsys, "torchaudio:wav2vec2_base", "--audio", "0.5s", "--batch", "2", "--depth", "0")
        assert code == 0
        assert "float32[2, 8000]" in out

    def test_what_a_model_needs_besides_is_said(self) -> None:
        with pytest.raises(InputError, match=r"needs n_feature; give them in parentheses, as in 'torchaudio:DeepS"):
            resolve("torchaudio:DeepSpeech")
        with pytest.raises(InputError, match=r"torchaudio has no model 'wav2vec_base'\. Did you mean 'wav2vec2_base'"):
            resolve("torchaudio:wav2vec_base")


@needs("torch_geometric", "xxhash")
class TestTorchGeometric:
    def test_gcn_on_cora_by_hand(self) -> None:
        p = measured("torch_geometric:GCN")
        assert p.macs == 2708 * 1433 * 64 + 2708 * 64 * 7
        assert p.params == 1433 * 64 + 64 + 64 * 7 + 7

    def test_arguments_reach_the_constructor(self) -> None:
        p = measured("pyg:GraphSAGE(num_layers=1, out_channels=16)")
        assert p.macs == 2 * 2708 * 1433 * 16  # of each node itself, and of its neighbours' mean

    def test_every_model_runs(self) -> None:
        listed = names("torch_geometric")
        assert len(listed) >= 16
        for name in {*listed} - {"PNA"}:  # which wants a tensor, the degrees of the nodes of the training graphs
            workload = resolve(f"torch_geometric:{name}")
            if workload.args is not None:
                p = profile(workload.model, workload.args, kwargs=workload.kwargs)
                assert p.macs > 0 or not p.params, name  # MetaLayer is nothing without the modules it is given

    def test_errors_say_what_to_do(self) -> None:
        with pytest.raises(InputError, match=r"no model 'GCM' of nodes and edges\. Did you mean 'GCN'"):
            resolve("torch_geometric:GCM")


@needs("ultralytics", "cv2")
class TestUltralytics:
    @pytest.mark.parametrize(("name", "params", "giga_flops"), [
        ("yolo11n", 2_624_080, 6.5), ("yolov8n", 3_157_200, 8.7), ("yolov8s", 11_166_560, 28.6),
        ("yolov8n-seg", 3_409_968, None), ("rtdetr-l", None, None), ("yolo11n-pose", None, None),
    ])  # fmt: skip
    def test_published_figures(self, name, params, giga_flops) -> None:
        p = measured(f"ultralytics:{name}")
        assert params in (None, p.params)
        assert giga_flops is None or p.flops / 1e9 == pytest.approx(giga_flops, abs=0.06)

    @pytest.mark.filterwarnings("ignore:distutils Version classes")  # of thop, where it is installed
    def test_images_are_of_the_size_that_the_task_is_for(self) -> None:
        assert resolve("ultralytics:yolo11n-cls").args == ((1, 3, 224, 224),)
        assert resolve("ultralytics:yolo11n(nc=3)").args == ((1, 3, 640, 640),)

    def test_the_environment_is_left_as_it_was(self, monkeypatch) -> None:
        import os

        monkeypatch.setenv("YOLO_OFFLINE", "no")
        monkeypatch.delenv("YOLO_VERBOSE", raising=False)
        names("ultralytics")
        assert os.environ["YOLO_OFFLINE"] == "no"
        assert "YOLO_VERBOSE" not in os.environ

    def test_every_scale_has_a_name(self) -> None:
        listed = names("ultralytics")
        assert {f"yolo11{scale}{task}" for scale in "nsmlx" for task in ("", "-seg", "-pose", "-obb")} <= {*listed}

    def test_errors_say_what_to_do(self) -> None:
        with pytest.raises(InputError, match=r"no configuration 'yolo11y'\. Did you mean 'yolo11"):
            resolve("ultralytics:yolo11y")
        with pytest.raises(InputError, match=r"There is no file own\.yaml"):
            resolve("ultralytics:own.yaml")


@needs("segmentation_models_pytorch", "timm")
class TestSegmentationModels:
    def test_unet_on_resnet34(self) -> None:
        p = measured("smp:unet")
        assert p.params == 24_436_369

    def test_encoder_and_classes_are_chosen_in_parentheses(self) -> None:
        one, many = (measured(f'smp:fpn(encoder_name="resnet18", classes={classes})') for classes in (1, 19))
        assert many.params - one.params == 18 * (128 + 1)
        assert many.macs - one.macs == 18 * 128 * 128 * 128  # of 128 channels, at a quarter of 512 by 512

    def test_an_unknown_architecture_gets_near_ones(self) -> None:
        with pytest.raises(InputError, match=r"no architecture 'unett'\. Did you mean 'unet'"):
            resolve("smp:unett")


@needs("onnx", "onnx2torch", "torchvision")
class TestOnnx:
    @pytest.fixture
    def path(self, tmp_path: Path) -> str:
        """A convolution of 3 to 8 channels over an image of 16 by 16 and any batch, its mean, and 5 classes."""
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper, save

        weights = {"kernel": (8, 3, 3, 3), "classes": (8, 5)}
        nodes = [
            helper.make_node("Conv", ["image", "kernel"], ["channels"], pads=[1, 1, 1, 1]),
            helper.make_node("GlobalAveragePool", ["channels"], ["means"]),
            helper.make_node("Flatten", ["means"], ["features"]),
            helper.make_node("Gemm", ["features", "classes"], ["scores"]),
        ]
        graph = helper.make_graph(
            nodes,
            "net",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 3, 16, 16])],
            [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 5])],
            [numpy_helper.from_array(np.zeros(shape, np.float32), name) for name, shape in weights.items()],
        )
        save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)]), tmp_path / "net.onnx")
        return str(tmp_path / "net.onnx")

    def test_by_hand(self, path, capsys) -> None:
        assert measured(path).macs == 16 * 16 * 8 * 3 * 3 * 3 + 8 * 5
        code, out, _ = run(capsys, path, "--batch", "4", "--depth", "0")
        assert code == 0
        assert "float32[4, 3, 16, 16]" in out
        assert f"{4 * (16 * 16 * 8 * 27 + 8 * 5):,}" in out

    def test_errors_say_what_to_do(self, path, capsys) -> None:
        assert "takes no arguments and has no training mode" in refused(capsys, path, "--train")
        assert "There is no file absent.onnx" in refused(capsys, "absent.onnx")
        Path(path).write_bytes(b"no graph")
        assert "cannot be read as ONNX" in refused(capsys, path)


@pytest.mark.parametrize(("name", "reason"), [
    ("model.pt", "is a pickle, which runs its writer's code"), ("weights.ckpt", "is a pickle"),
    ("model.safetensors", "holds weights and no model"),
])  # fmt: skip
def test_a_file_of_weights_is_refused_unread(capsys, name, reason) -> None:
    said = refused(capsys, name)
    assert reason in said
    assert "name the code, as path/to/net.py:NAME" in said


class TestModelsCommand:
    def test_names_that_match_a_pattern_can_be_given_to_the_command(self, capsys) -> None:
        pytest.importorskip("timm")
        code, out, err = run(capsys, "models", "timm", "resnet1?[0-9]")
        assert (code, out, err) == (0, "timm:resnet101\ntimm:resnet152\n", "")

    def test_without_a_library_each_is_counted(self, capsys, monkeypatch) -> None:
        from flopsight import sources as room

        def absent(source):
            if source.prefix == "timm":
                raise MissingLibraryError("absent")
            return ["a", "b"]

        monkeypatch.setattr(room, "models_of", absent)
        code, out, _ = run(capsys, "models")
        rows = [line.split() for line in out.splitlines()]
        assert code == 0
        assert ["timm", "not", "installed", "timm:NAME"] in rows
        assert ["smp", "2", "smp:NAME"] in rows

    def test_errors_say_what_to_do(self, capsys) -> None:
        assert "'tim' is no library of models. Did you mean 'timm'" in refused(capsys, "models", "tim")
        pytest.importorskip("timm")
        said = refused(capsys, "models", "timm", "resnet5o")
        assert "models of timm is named 'resnet5o'. Did you mean 'resnet50'" in said


def test_a_library_that_cannot_be_imported_is_a_sentence(tmp_path, monkeypatch) -> None:
    from flopsight.sources._optional import require

    (tmp_path / "broken_library.py").write_text("raise OSError('libc10_cuda.so: cannot open')")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(MissingLibraryError, match=r"This needs .* cannot be imported here: OSError: libc10_cuda"):
        require("broken_library", use="This")
