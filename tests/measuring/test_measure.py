from __future__ import annotations

import copy
from pathlib import Path

import pytest
import torch
from torch import nn

import flopsight
from flopsight import Device
from flopsight.errors import DeviceError, InputError, ModelError
from flopsight.measuring import machine, measure_device, place
from flopsight.measuring.weights import with_weights

SLOW = Device(name="slow", kind="cpu", rates={"float32": 1e6}, memory_bytes=1, memory_bytes_per_s=1e6)
QUICKLY = {"on": "cpu", "device": SLOW, "min_run_s": 0.01}


def net() -> nn.Sequential:
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 4))


def test_a_run_is_timed_and_held_against_a_device() -> None:
    found = flopsight.measure(net().eval(), (3, 8), **QUICKLY)
    assert 0 < found.best_s <= found.seconds
    assert found.runs >= 1
    assert found.roofline.device is SLOW
    assert found.ratio == found.seconds / found.roofline.repeated_s
    assert found.utilisation.mfu == pytest.approx(2 * 3 * (8 * 16 + 16 * 4) / 1e6 / found.seconds)
    assert set(found.modules_s) == {"", "0", "1", "2", "3"}
    assert found.modules_s[""] >= found.modules_s["0"] > 0


def test_it_is_printed_module_by_module() -> None:
    text = str(flopsight.measure(net().eval(), (3, 8), **QUICKLY))
    assert text.startswith("Sequential on cpu, against slow")
    assert "the median of" in text
    assert "Least time of a repeated run:" in text
    assert "(convention flops)" in text


@pytest.mark.parametrize("backward", [False, True])
def test_nothing_is_left_on_the_model(backward: bool) -> None:
    model = net().train()
    before, state = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    flopsight.measure(model, (3, 8), backward=backward, **QUICKLY)
    assert all(torch.equal(model.state_dict()[name], value) for name, value in before.items())
    assert torch.equal(torch.get_rng_state(), state)
    assert all(parameter.grad is None for parameter in model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())
    assert model.training


def test_weights_are_made_where_there_are_none() -> None:
    with torch.device("meta"):
        model = net()
        model[3].weight = model[3].weight
    made = with_weights(model.eval(), torch.device("cpu"))
    out = made(torch.randn(5, 8))
    assert torch.isfinite(out).all()
    assert out.std() > 0
    assert all(parameter.is_meta for parameter in model.parameters())
    assert flopsight.measure(model, (3, 8), **QUICKLY).seconds > 0


def test_tied_weights_stay_tied() -> None:
    model = nn.Sequential(nn.Linear(4, 4, device="meta"), nn.Linear(4, 4, device="meta"))
    model[1].weight = model[0].weight
    made = with_weights(model, torch.device("cpu"))
    assert made[0].weight is made[1].weight


def test_inputs_of_ones_own_are_used() -> None:
    class OnlyThisOne(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x * 2 if not x.is_meta else x

    assert flopsight.measure(OnlyThisOne(), torch.ones(3), **QUICKLY).seconds > 0


def test_no_graphics_card_is_said_in_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(InputError, match=r"There is no graphics card here .*measure on cpu"):
        flopsight.measure(net(), (3, 8), on="cuda")
    with pytest.raises(InputError, match="'tpu' is no place to run; write cpu or cuda"):
        measure_device("tpu")
    assert place.place(None).type == "cpu"


def test_a_model_that_does_not_fit_is_refused_before_it_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flopsight.measuring.model.free_bytes", lambda at: 2**20)
    large = nn.Linear(2**10, 2**10, device="meta")
    needed = (2**20 + 2**10) * 4 + 2**18 * 2**10 * 4
    with pytest.raises(InputError, match=rf"needs at least {needed / 2**30:.2f} GiB .* cpu has 1.00 MiB free"):
        flopsight.measure(large, (2**18, 2**10), **QUICKLY)


def test_a_model_that_fails_says_so() -> None:
    class Failing(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            if type(x) is torch.Tensor:
                raise ZeroDivisionError("no")
            return x

    with pytest.raises(ModelError, match=r"Failing cannot be run on cpu: ZeroDivisionError: no"):
        flopsight.measure(Failing(), (3,), **QUICKLY)


def test_what_cannot_be_measured_is_refused() -> None:
    with pytest.raises(InputError, match=r"give a torch\.nn\.Module"):
        flopsight.measure(lambda x: x, (3,), **QUICKLY)
    with pytest.raises(InputError, match="min_run_s is 0"):
        flopsight.measure(net(), (3, 8), on="cpu", min_run_s=0)
    with pytest.raises(InputError, match="give numbers"):
        flopsight.measure(net(), ("batch", 8), **QUICKLY)
    with pytest.raises(DeviceError, match="no device 'h1000'"):
        flopsight.measure(net(), (3, 8), on="cpu", device="h1000")


@pytest.fixture(scope="module")
def this_machine() -> Device:
    return measure_device("cpu")


def test_the_machine_is_measured(this_machine: Device) -> None:
    assert this_machine.kind == "cpu"
    assert {"float32", "float64"} <= this_machine.rates.keys()
    assert this_machine.rates["float32"] > 1e8
    assert this_machine.memory_bytes_per_s > 1e8
    assert this_machine.cache_bytes_per_s is None or this_machine.cache_bytes_per_s >= this_machine.memory_bytes_per_s
    assert torch.__version__ in this_machine.source


def test_the_best_convolution_counts_the_positions_that_it_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_CONVOLUTION", (2, 3, 5, 8, 3))
    monkeypatch.setattr(machine, "_best_s", lambda run: 1.0)
    record = flopsight.profile(nn.Conv2d(3, 5, 3, padding=1, bias=False), (2, 3, 8, 8))
    assert machine._convolution_rate(torch.device("cpu")) <= record.flops
    assert machine._convolution_rate(torch.device("cpu")) == 2 * 2 * 3 * 5 * (3 * 8 - 2) ** 2


def test_settings_are_put_back() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with pytest.raises(ZeroDivisionError), machine._rounding(allowed=not before[0]):
        assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is (not before[0])
        raise ZeroDivisionError
    assert before == (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32)


def test_caches_are_those_that_the_system_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(place, "_CACHES", tmp_path)
    assert place.cache_bytes(torch.device("cpu")) == 0
    for cpu in range(2):
        for index, (level, size, shared) in enumerate([("1", "32K", cpu), ("2", "512K", cpu), ("3", "4096K", "0-1")]):
            folder = tmp_path / f"cpu{cpu}" / "cache" / f"index{index}"
            folder.mkdir(parents=True)
            for name, value in (("level", level), ("size", size), ("shared_cpu_list", str(shared))):
                (folder / name).write_text(value)
    assert place.cache_bytes(torch.device("cpu")) == (2 * 512 + 4096) * 1024
