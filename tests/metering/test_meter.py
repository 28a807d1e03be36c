from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import import_module
from types import ModuleType, SimpleNamespace
from typing import Any

import handmade
import pytest
from handmade import K, M, N

import flopsight
from flopsight import Device, Meter
from flopsight.calls import PHASES
from flopsight.errors import DeviceError, InputError, MissingLibraryError
from flopsight.metering.meter import allocated_on
from flopsight.profiles import Profile
from flopsight.sources.torchvision_operators import torchvision_importable

FLOPS = 2 * M * K * N
DEVICE = Device(name="d", kind="gpu", rates={"float32": 1e6, "bfloat16": 4e6}, memory_bytes=1, memory_bytes_per_s=1.0)


class Clock:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


def step() -> Profile:
    """A forward, its recomputation, and a backward of the same size."""
    calls = [(handmade.linear(), "", PHASES.index(phase)) for phase in ("forward", "recompute", "backward")]
    return handmade.profile([handmade.module("", "Linear")], calls)


def test_steps_of_known_length(clock: Clock) -> None:
    meter = Meter(step(), DEVICE, clock=clock)
    for seconds in (0.5, 1.5):
        with meter.step(samples=32, tokens=320):
            clock.now += seconds
        clock.now += 7  # what is done between steps does not count
    reading = meter.read()
    assert (reading.steps, reading.flops, reading.seconds, reading.step_s) == (2, 2 * 2 * FLOPS, 2.0, 1.0)
    assert reading.flops_per_s == 2 * FLOPS
    assert (reading.samples_per_s, reading.tokens_per_s) == (32, 320)
    assert reading.mfu == pytest.approx(2 * FLOPS / 1e6)
    assert reading.hfu == pytest.approx(3 * FLOPS / 1e6)


def test_ticks_count_everything_between_them(clock: Clock) -> None:
    meter = Meter(FLOPS, clock=clock)
    meter.tick()
    clock.now += 2
    meter.tick(samples=8)
    reading = meter.read()
    assert (reading.steps, reading.seconds, reading.samples_per_s) == (1, 2.0, 4.0)
    assert (reading.mfu, reading.tokens_per_s) == (None, None)
    assert reading.to_dict("x/").keys() == {
        "x/steps", "x/flops", "x/seconds", "x/step_s", "x/flops_per_s", "x/samples_per_s"
    }  # fmt: skip


def test_rates_are_over_the_window_and_sums_over_all(clock: Clock) -> None:
    meter = Meter(FLOPS, clock=clock, window=2)
    meter.start()
    for seconds in (10, 1, 3):
        clock.now += seconds
        meter.tick()
    assert (meter.read().seconds, meter.read().step_s, meter.read().flops) == (4, 2, 3 * FLOPS)


def test_flops_as_a_number_need_the_dtype_that_they_are_in(clock: Clock) -> None:
    meter = Meter(FLOPS, DEVICE, dtype="bfloat16", clock=clock)
    with meter.step():
        clock.now += 1
    assert meter.read().mfu == FLOPS / 4e6
    with pytest.raises(InputError, match="dtype='bfloat16'"):
        Meter(FLOPS, DEVICE)
    with pytest.raises(DeviceError, match="no rate for float16"):
        Meter(FLOPS, DEVICE, dtype="float16")


def test_a_step_that_raises_does_not_count(clock: Clock) -> None:
    meter = Meter(FLOPS, clock=clock)
    with pytest.raises(ZeroDivisionError), meter.step():
        raise ZeroDivisionError
    with pytest.raises(InputError, match="No step is done yet"):
        meter.read()


@pytest.mark.parametrize("work", ["1", 1.5, True, -1, None])
def test_work_is_a_profile_or_a_number(work: Any) -> None:
    with pytest.raises(InputError, match="give a profile of the step"):
        Meter(work)


def test_a_closed_form_is_no_work_without_sizes() -> None:
    nn = pytest.importorskip("torch.nn")
    form = flopsight.profile(nn.Linear(8, 4), ("batch", 8))
    with pytest.raises(InputError, match="give the sizes"):
        Meter(form)
    assert Meter(form.at(batch=3))


@pytest.mark.parametrize("window", [0, 1.5, True])
def test_a_window_is_a_number_of_steps(window: Any) -> None:
    with pytest.raises(InputError, match="give a number of steps"):
        Meter(1, window=window)


def test_the_trainer_of_transformers_logs_it(clock: Clock) -> None:
    """The callback protocol by hand, in the order in which the Trainer calls it: two batches make a step."""
    transformers = pytest.importorskip("transformers")
    from flopsight.metering.transformers import MeterCallback

    callback = MeterCallback(Meter(step(), DEVICE, clock=clock), tokens=10)
    assert isinstance(callback, transformers.TrainerCallback)
    args = SimpleNamespace(train_batch_size=4, device=SimpleNamespace(type="cpu"))
    state, control = SimpleNamespace(log_history=[]), None
    callback.on_train_begin(args, state, control)
    early: dict[str, float] = {}
    callback.on_log(args, state, control, logs=early)
    assert early == {}
    for _ in range(3):
        clock.now += 0.5
        callback.on_substep_end(args, state, control)
        clock.now += 0.5
        callback.on_step_end(args, state, control)
    logs = {"loss": 1.0}
    state.log_history.append({"loss": 1.0, "step": 3})
    callback.on_log(args, state, control, logs=logs)
    assert logs["flopsight/samples_per_s"] == 2 * 4
    assert logs["flopsight/tokens_per_s"] == 2 * 10
    assert logs["flopsight/flops"] == 3 * 2 * 2 * FLOPS
    assert logs["flopsight/mfu"] == pytest.approx(2 * 2 * FLOPS / 1e6)
    assert state.log_history[-1]["flopsight/mfu"] == logs["flopsight/mfu"]


def test_the_trainer_of_transformers_runs_with_it(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch")
    with torchvision_importable():
        pytest.importorskip("accelerate")
        transformers = pytest.importorskip("transformers")
        pytest.importorskip("torchvision")  # which models of transformers import
    from flopsight.metering.transformers import MeterCallback

    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=16, n_positions=8)
    model = transformers.GPT2LMHeadModel(config)
    ids = flopsight.spec(2, 8, dtype="int64")
    record = flopsight.profile(model, {"input_ids": ids, "labels": ids}, backward=True, memory=True)
    rows = [{"input_ids": torch.ones(8, dtype=torch.int64), "labels": torch.ones(8, dtype=torch.int64)}] * 8
    arguments = transformers.TrainingArguments(
        output_dir=str(tmp_path), per_device_train_batch_size=2, logging_steps=1, report_to=[], use_cpu=True
    )
    trainer = transformers.Trainer(model, arguments, train_dataset=rows, callbacks=[MeterCallback(Meter(record))])
    trainer.train()
    last = trainer.state.log_history[-1]
    assert last["flopsight/flops"] == 12 * record.flops
    assert last["flopsight/predicted_bytes"] == record.memory.peak_bytes
    assert "flopsight/allocated_bytes" not in last  # the CPU's allocator keeps no count


def test_memory_stands_beside_what_was_predicted(clock: Clock) -> None:
    nn = pytest.importorskip("torch.nn")
    work = flopsight.profile(nn.Linear(8, 4), (3, 8), backward=True, memory=True)
    for device, predicted in ((DEVICE, work.memory_with("cuda").peak_bytes), (None, work.memory.peak_bytes)):
        meter = Meter(work, device, allocated=lambda: 4096, clock=clock)
        with meter.step():
            clock.now += 1
        assert (meter.read().predicted_bytes, meter.read().allocated_bytes) == (predicted, 4096)


def test_on_a_graphics_card_pytorch_is_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 1000 + device.index)
    asked = allocated_on(torch.device("cuda", 1))
    assert asked is not None
    assert asked() == 1001


@pytest.mark.filterwarnings("ignore")  # of Lightning's, about what a test has no need of
def test_the_trainer_of_lightning_runs_with_it(tmp_path: Any) -> None:
    torch = pytest.importorskip("torch")
    with torchvision_importable():
        lightning = pytest.importorskip("lightning.pytorch")
    from flopsight.metering.lightning import MeterCallback

    class Model(lightning.LightningModule):  # type: ignore[misc,name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.layer = torch.nn.Linear(8, 4)

        def training_step(self, batch: Any, batch_idx: int) -> Any:
            return self.layer(batch).sum()

        def configure_optimizers(self) -> Any:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    model = Model()
    work = flopsight.profile(model.layer, (2, 8), backward=True, memory=True)
    trainer = lightning.Trainer(
        max_epochs=1, accelerator="cpu", logger=False, enable_checkpointing=False, enable_progress_bar=False,
        enable_model_summary=False, default_root_dir=str(tmp_path), callbacks=[MeterCallback(Meter(work), samples=len)],
    )  # fmt: skip
    trainer.fit(model, torch.utils.data.DataLoader(torch.ones(6, 8), batch_size=2))
    assert trainer.logged_metrics["flopsight/flops"] == 3 * work.flops
    assert trainer.logged_metrics["flopsight/predicted_bytes"] == work.memory.peak_bytes
    assert trainer.logged_metrics["flopsight/samples_per_s"] > 0


@pytest.fixture
def without_lightning(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    for name in ("lightning", "lightning.pytorch", "pytorch_lightning"):
        monkeypatch.setitem(sys.modules, name, None)
    monkeypatch.delitem(sys.modules, "flopsight.metering.lightning", raising=False)
    yield
    sys.modules.pop("flopsight.metering.lightning", None)


@pytest.mark.usefixtures("without_lightning")
def test_lightning_is_asked_for_in_a_sentence() -> None:
    with pytest.raises(MissingLibraryError, match="pip install lightning"):
        import_module("flopsight.metering.lightning")


@pytest.mark.usefixtures("without_lightning")
def test_the_trainer_of_lightning_logs_it(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """The callback protocol by hand, on a base class in place of Lightning's."""
    base = ModuleType("pytorch_lightning")
    base.Callback = type("Callback", (), {})  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "pytorch_lightning", base)
    callback = import_module("flopsight.metering.lightning").MeterCallback(
        Meter(step(), DEVICE, clock=clock), samples=len, tokens=sum
    )
    assert isinstance(callback, base.Callback)
    logged: dict[str, float] = {}
    module = SimpleNamespace(log_dict=logged.update, device=SimpleNamespace(type="cpu"))
    callback.on_train_start(None, module)
    clock.now += 2
    callback.on_train_batch_end(None, module, None, [5, 6, 7], 0)
    assert logged["flopsight/samples_per_s"] == 3 / 2
    assert logged["flopsight/tokens_per_s"] == 18 / 2
    assert logged["flopsight/mfu"] == pytest.approx(2 * FLOPS / 1e6 / 2)
