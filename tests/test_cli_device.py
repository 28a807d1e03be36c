"""The command line's time at best, devices and real runs."""

from __future__ import annotations

import json
from pathlib import Path

import handmade
import pytest
from command_line import refused, run

from flopsight import Device, devices

NET = """
import torch
from torch import nn

def make():
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU())
"""


@pytest.fixture(autouse=True)
def workplace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "net.py").write_text(NET)
    handmade.classifier().save(tmp_path / "saved.json")
    Device(name="own", kind="cpu", rates={"float32": 1e9}, memory_bytes=1, memory_bytes_per_s=1e9, source="here").save(
        tmp_path / "own.json"
    )
    monkeypatch.chdir(tmp_path)


MODEL = ("net.py:make", "--input", "3,8")


class TestTimeAtBest:
    def test_of_a_model(self, capsys) -> None:
        code, out, _ = run(capsys, *MODEL, "--device", "h100-sxm", "--fused", "--launch", "0.001")
        assert code == 0
        assert "on NVIDIA H100 SXM5 80 GB, fused" in out
        assert "Least time: 1 ms," in out

    def test_of_a_saved_profile_as_of_the_profile_itself(self, capsys) -> None:
        code, out, _ = run(capsys, "show", "saved.json", "--device", "a10", "--compute-dtype", "tf32")
        assert (code, out) == (0, str(handmade.classifier().roofline("a10", compute_dtype="tf32")))

    def test_of_one_module_on_a_device_of_ones_own(self, capsys) -> None:
        _, out, _ = run(capsys, "show", "saved.json", "--device-file", "own.json", "--module", "act", "--by", "family")
        assert out.splitlines()[1].split()[0] == "family"
        assert "activation" in out
        assert "contraction" not in out

    def test_it_is_drawn(self, capsys, tmp_path) -> None:
        code, _, _ = run(capsys, "show", "saved.json", "--device", "a10", "--plot", "roofs.png")
        assert code == 0
        assert (tmp_path / "roofs.png").read_bytes().startswith(b"\x89PNG")

    def test_a_trace_has_the_least_time_for_its_axis(self, capsys, tmp_path) -> None:
        code, out, _ = run(capsys, "show", "saved.json", "--device", "t4", "--trace", "t.json")
        assert code == 0
        assert "Least time: " in out
        assert "least time on " in (tmp_path / "t.json").read_text()
        code, out, _ = run(capsys, "show", "saved.json", "--device", "t4", "--trace")
        assert json.loads(out) == json.loads((tmp_path / "t.json").read_text())
        assert "1 ns is 1 exact operation" in run(capsys, "show", "saved.json", "--trace")[1]

    @pytest.mark.parametrize(("options", "said"), [
        (("--device", "h10"), "There is no device 'h10'"),
        (("--device", "h100-sxm", "--device-file", "own.json"), "give one of them"),
        (("--device-file", "none.json"), "none.json is no device's file"),
        (("--fused",), "--fused is about a device; name one"),
        (("--compute-dtype", "tf32"), "--compute-dtype is about a device"),
        (("--plot", "x.png"), "--plot is about a device"),
        (("--device", "t4", "--compute-dtype", "bfloat16"), "has no rate for bfloat16; it has float32, float16, int8"),
        (("--device", "t4", "--csv"), "--csv writes down counts"),
        (("--device", "t4", "--top", "3"), "--top chooses rows of the table of counts"),
        (("--device", "t4", "--only", "f*"), "--only chooses rows of the table of counts"),
        (("--device", "t4", "--flat"), "--flat chooses rows of the table of counts"),
        (("--device", "t4", "--trace", "nowhere/x.json"), "there is no folder nowhere"),
        (("--device", "t4", "--by", "dtype"), "by module, operator, family, not by dtype"),
        (("--device", "t4", "--plot", "nowhere/x.png"), "there is no folder nowhere"),
        (("--device", "t4", "--plot", "x.nothing"), "x.nothing cannot be drawn"),
        (("--device", "t4", "--module", "nowhere"), "No module 'nowhere'"),
    ])  # fmt: skip
    def test_mistakes_get_a_sentence(self, capsys, options, said) -> None:
        assert said in refused(capsys, "show", "saved.json", *options)

    def test_formulas_have_no_time(self, capsys) -> None:
        said = refused(capsys, "net.py:make", "--input", "batch,8", "--device", "t4")
        assert "give a number for each size" in said


class TestDevices:
    def test_all_are_listed(self, capsys) -> None:
        code, out, _ = run(capsys, "devices")
        assert code == 0
        for name in devices.names():
            (line,) = [line for line in out.splitlines() if line.split()[0] == name]
            assert Device.get(name).date in line

    def test_all_of_one_is_told_with_its_source(self, capsys) -> None:
        code, out, _ = run(capsys, "devices", "h100-sxm")
        assert code == 0
        said = dict(line.split("  ", 1) for line in out.splitlines() if "  " in line)
        assert said["source"].strip() == Device.get("h100-sxm").source
        assert "float16 989.50 T" in said["operations a second"]
        assert "float16 1.98 P" in said["with sparsity"]
        assert "900 GB/s" in said["to other devices"]

    def test_this_machine_is_measured_and_saved(self, capsys, monkeypatch, tmp_path) -> None:
        monkeypatch.setattr("flopsight.measuring.machine._best_s", lambda run: 0.01)
        code, out, _ = run(capsys, "devices", "--measure", "--on", "cpu", "--out", "this.json")
        assert code == 0
        made = Device.load(tmp_path / "this.json")
        assert made.rates["float32"] > 0
        assert "this-cpu" in out

    @pytest.mark.parametrize(("options", "said"), [
        (("--out", "x.json"), "--out is about a measurement; add --measure"),
        (("--measure", "--out", "nowhere/x.json"), "there is no folder nowhere"),
        (("--measure", "--on", "tpu"), "'tpu' is no place to run"),
        (("h100-sxn",), "'h100-sxm'"),
        (("h100-sxm", "--measure"), "--measure is about this machine"),
    ])  # fmt: skip
    def test_mistakes_get_a_sentence(self, capsys, options, said) -> None:
        assert said in refused(capsys, "devices", *options)


class TestMeasure:
    def test_a_model_beside_a_device(self, capsys) -> None:
        options = ("--device", "cpu", "--device-file", "own.json", "--seconds", "0.01", "--depth", "0")
        code, out, _ = run(capsys, "measure", *MODEL, *options)
        assert code == 0
        assert out.startswith("Sequential on cpu, against own")
        assert "Measured: " in out

    def test_mistakes_get_a_sentence(self, capsys) -> None:
        assert "no device 'h10'" in refused(capsys, "measure", *MODEL, "--against", "h10")
        assert "'gpu' is no place to run" in refused(capsys, "measure", *MODEL, "--device", "gpu")
        assert "give one of them" in refused(capsys, "measure", *MODEL, "--against", "t4", "--device-file", "own.json")
