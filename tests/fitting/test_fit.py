"""What each change does to the memory of a step: by arithmetic, and by real steps of the changed program."""

from __future__ import annotations

import copy

import pytest
import torch
from allocated import peak_bytes, storage_bytes
from torch import nn

import flopsight
from flopsight import profile
from flopsight.errors import InputError, ModelError
from flopsight.fitting.blocks import checkpointed, repeated_blocks
from flopsight.fitting.optimizers import BLOCK_ELEMS

GIB = 2**30
D, H, POSITIONS, BLOCKS = 64, 256, 256, 4


class Blocks(nn.Module):
    """A residual MLP over the positions of an example."""

    def __init__(self):
        super().__init__()
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(D, H), nn.GELU(), nn.Linear(H, D)) for _ in range(BLOCKS))

    def forward(self, x):
        for block in self.blocks:
            x = x + block(x)
        return x


PARAMETERS = BLOCKS * (D * H + H + H * D + D)
EXAMPLE = ("batch", POSITIONS, D)


def loss(output):
    return output.float().square().mean()


def trained(model=None, inputs=EXAMPLE, *, memory_bytes=GIB, batch=4, optimizer="adamw", **how):
    return flopsight.fit(
        Blocks() if model is None else model,
        inputs,
        memory_bytes=memory_bytes,
        batch=batch,
        backward=True,
        loss=loss,
        optimizer=optimizer,
        **how,
    )


@pytest.fixture(scope="module")
def rows():
    return trained()


STATES = {
    "": 2 * 4 * PARAMETERS + BLOCKS * 4 * 4,
    "bf16 parameters": 2 * 2 * PARAMETERS + BLOCKS * 4 * 4,
    "SGD": 0,
    "SGD, momentum": 4 * PARAMETERS,
    "8-bit AdamW": 2 * PARAMETERS + BLOCKS * 2 * 4 * (2 * -(-D * H // BLOCK_ELEMS) + 2),
    "Adafactor": BLOCKS * 4 * (2 * (D + H) + H + D + 4),
}


@pytest.mark.parametrize("name", STATES)
def test_states_are_those_of_the_optimizer(rows, name):
    assert rows[name].at_peak.get("optimizer state", 0) == STATES[name]


def test_parameters_in_bf16_take_half(rows):
    assert rows.as_given.at_peak["parameters"] == 4 * PARAMETERS
    assert rows["bf16 parameters"].at_peak["parameters"] == 2 * PARAMETERS
    assert rows["autocast bf16"].at_peak["parameters"] == 4 * PARAMETERS


def test_checkpointing_saves_the_inputs_of_blocks_alone():
    tall = trained(batch=64)
    given, again = (tall[name].at_peak["saved"] for name in ("", "checkpointing"))
    rows = 64 * POSITIONS
    assert given >= BLOCKS * rows * 2 * H * 4
    assert again <= BLOCKS * rows * D * 4 + rows * (2 * H + D) * 4  # with all of the block that runs again


def test_micro_batches_keep_the_gradients(rows):
    parts = rows["4 micro-batches"]
    assert parts.batch == 4
    assert parts.at_peak["gradients"] == 4 * PARAMETERS


def test_a_batch_is_rounded_up_to_full_micro_batches():
    assert trained(batch=5)["4 micro-batches"].batch == 8
    assert trained(batch=5)["4 micro-batches"].largest_batch % 4 == 0


def test_the_largest_batch_is_that_of_a_search_through_all():
    memory_bytes, model = 12 * 2**20, Blocks()

    def peak(batch):
        how = {"backward": True, "loss": loss, "optimizer": torch.optim.AdamW, "memory": True}
        return profile(model, (batch, POSITIONS, D), **how).memory.peak_bytes

    brute = max(batch for batch in range(1, 30) if peak(batch) <= memory_bytes)
    fit = trained(model, memory_bytes=memory_bytes, batch=1)
    assert fit.as_given.largest_batch == brute
    assert fit.as_given.peak_bytes == peak(1)
    assert fit.as_given.largest_batch < fit["autocast bf16"].largest_batch < fit["checkpointing"].largest_batch


@pytest.fixture(scope="module")
def large():
    return trained(batch=32)


def really(name):
    """The peak of a real step of the changed program, with what is there before."""
    model, x = Blocks(), torch.rand(32, POSITIONS, D)
    parts, optimizer, cast = [x], torch.optim.AdamW, torch.autocast("cpu", torch.bfloat16, enabled="autocast" in name)
    if "bf16 parameters" in name:
        model, parts = model.to(torch.bfloat16), [x.to(torch.bfloat16)]
    if "checkpointing" in name:
        checkpointed(model)
    if name == "SGD, momentum":
        optimizer = lambda parameters: torch.optim.SGD(parameters, lr=0.1, momentum=0.9)
    if name == "SGD":
        optimizer = torch.optim.SGD
    if name == "Adafactor":
        optimizer = torch.optim.Adafactor
    if "micro-batches" in name:
        parts = [x[:8].clone()] * 4
    stepping = optimizer(model.parameters())

    def step():
        for part in parts:
            with cast:
                output = model(part)
            with cast:
                value = loss(output)
            value.backward()
        stepping.step()

    step()
    stepping.zero_grad()
    state = [v for held in stepping.state.values() for v in held.values() if isinstance(v, torch.Tensor)]
    return storage_bytes([*model.parameters(), *state, parts[0]]) + peak_bytes(step)


REAL = (
    "", "bf16 parameters", "autocast bf16", "SGD", "SGD, momentum", "Adafactor", "checkpointing", "4 micro-batches",
    "checkpointing, autocast bf16", "checkpointing, bf16 parameters",
)  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_peaks_are_those_of_real_steps(large, name):
    workspace_bytes = 2**20 if "bf16" in name else 0  # of oneDNN's matrix products on some processors
    assert large[name].peak_bytes == pytest.approx(really(name), rel=0.002, abs=workspace_bytes)


def test_without_backward_nothing_is_saved():
    fit = flopsight.fit(Blocks(), EXAMPLE, memory_bytes=GIB, batch=4)
    assert [row.name for row in fit.rows] == ["", "bf16 parameters", "autocast bf16"]
    assert set(fit.as_given.at_peak) <= {"parameters", "inputs", "outputs", "temporaries"}
    rows = 4 * POSITIONS
    assert fit.as_given.peak_bytes == 4 * (PARAMETERS + rows * (D + D + 2 * H))


def test_a_cache_in_an_object_of_its_own_is_output():
    class Cache:
        pass

    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(D, H)

        def forward(self, x):
            cache = Cache()
            cache.keys, cache.values = self.layer(x), self.layer(x)
            return {"logits": cache.keys.sum(), "past_key_values": cache}

    fit = flopsight.fit(Keeps(), ("batch", D), memory_bytes=GIB, batch=8)
    assert fit.as_given.at_peak["outputs"] == 2 * 4 * 8 * H + 4


def test_the_model_is_left_as_it_was():
    model = Blocks()
    before = copy.deepcopy(model.state_dict())
    attributes = {path: set(vars(module)) for path, module in model.named_modules()}
    trained(model)
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert {path: set(vars(module)) for path, module in model.named_modules()} == attributes
    assert all(parameter.grad is None for parameter in model.parameters())
    model(torch.rand(2, POSITIONS, D)).sum().backward()


def test_a_function_makes_a_model_that_no_memory_would_hold():
    def huge():
        return nn.Sequential(nn.Linear(2**20, 2**20), nn.Linear(2**20, 2**20))

    fit = flopsight.fit(huge, ("batch", 2**20), memory_bytes=80 * GIB)
    assert fit.as_given.peak_bytes > 8 * 2**40
    assert (fit.fits, fit.as_given.largest_batch) == (False, 0)


def test_tied_parameters_stay_tied():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(D, D, bias=False)
            self.second = nn.Linear(D, D, bias=False)
            self.second.weight = self.first.weight

        def forward(self, x):
            return self.second(self.first(x))

    fit = flopsight.fit(Tied(), ("batch", D), memory_bytes=GIB)
    assert fit.as_given.at_peak["parameters"] == 4 * D * D
    assert fit["bf16 parameters"].at_peak["parameters"] == 2 * D * D


def test_inputs_are_functions_of_the_batch_or_have_its_name():
    named = flopsight.fit(Blocks(), ("batch", POSITIONS, D), memory_bytes=GIB)
    told = flopsight.fit(Blocks(), lambda batch: (batch, POSITIONS, D), memory_bytes=GIB)
    by_name = flopsight.fit(Blocks(), kwargs={"x": flopsight.spec("batch", POSITIONS, D)}, memory_bytes=GIB)
    assert named.rows == told.rows == by_name.rows


def test_blocks_are_found_in_all_their_lists():
    stages = [nn.Sequential(*(nn.TransformerEncoderLayer(8, 1, 8) for _ in range(depth))) for depth in (3, 2)]
    assert len(repeated_blocks(nn.Sequential(nn.Conv2d(3, 8, 1), *stages))) == 5
    experts = nn.Sequential(
        *(nn.ModuleDict({"experts": nn.ModuleList([nn.Linear(2, 2) for _ in range(9)])}) for _ in range(3))
    )
    assert [type(block) for block in repeated_blocks(experts)] == [nn.ModuleDict] * 3
    assert len(repeated_blocks(Blocks())) == BLOCKS
    assert repeated_blocks(nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))) == []
    assert repeated_blocks(nn.Sequential(nn.ReLU(), nn.ReLU(), nn.ReLU())) == []


def test_the_loss_is_under_autocast_too():
    seen = set()

    def told(output):
        seen.add(torch.is_autocast_enabled("cpu"))
        return output.float().sum()

    flopsight.fit(Blocks(), EXAMPLE, memory_bytes=GIB, backward=True, loss=told)
    assert seen == {False, True}


def test_buffers_in_bf16_take_half():
    fit = flopsight.fit(nn.BatchNorm1d(D).eval(), ("batch", D), memory_bytes=GIB)
    assert fit.as_given.at_peak["buffers"] == 2 * 4 * D + 8
    assert fit["bf16 parameters"].at_peak["buffers"] == 2 * 2 * D + 8  # the number of batches stays an integer


def test_checkpointed_blocks_fill_no_cache():
    seen = []

    class Caches(Blocks):
        def forward(self, x, use_cache=True):
            seen.append(use_cache)
            return super().forward(x)

    fit = trained(Caches())
    assert fit["checkpointing"].error is None
    assert set(seen) == {True, False}


def test_where_larger_batches_cannot_be_run_more_may_fit():
    class Limited(nn.Linear):
        def forward(self, x):
            if len(x) > 50:
                raise ValueError("too many")
            return super().forward(x)

    fit = flopsight.fit(Limited(D, D), ("batch", D), memory_bytes=GIB)
    assert (fit.as_given.largest_batch, fit.as_given.at_least) == (50, True)
    assert ">= 50" in str(fit)
    with pytest.raises(ModelError, match="too many"):
        flopsight.fit(Limited(D, D), ("batch", D), memory_bytes=GIB, batch=51)


def test_a_batch_of_one_that_cannot_be_run_does_not_fit():
    fit = flopsight.fit(nn.BatchNorm1d(D), ("batch", D), memory_bytes=1, batch=2)
    assert (fit.as_given.largest_batch, fit.as_given.at_least) == (0, False)


def test_a_change_that_fails_says_why():
    fit = trained(inputs=lambda batch: torch.ones(batch, POSITIONS, D))
    assert "must have the same dtype" in fit["bf16 parameters"].error
    assert fit["bf16 parameters"].peak_bytes is None
    assert fit["checkpointing"].error is None
    assert "bf16 parameters cannot be said: The model's own code failed" in str(fit)


@pytest.mark.parametrize(
    ("how", "told"),
    [
        ({"inputs": (1, POSITIONS, D)}, "same at every batch; name that size"),
        ({"inputs": ("batch", "rows", D)}, "The size 'rows' has a name; of the sizes, only 'batch'"),
        ({"memory_bytes": 0}, "memory_bytes is 0"),
        ({"batch": True}, "batch is True"),
        ({"optimizer": "adamx"}, "no optimizer 'adamx'. Did you mean 'adamax'.*Besides there are sgd, sgd-momentum"),
        ({"optimizer": torch.optim.SGD(Blocks().parameters(), lr=0.1)}, "give its name, its class, or a function"),
        ({"model": 3}, "The model is 3; give a torch.nn.Module, or a function that makes one"),
    ],
)
def test_what_cannot_be_used_is_told(how, told):
    with pytest.raises(InputError, match=told):
        trained(**how)


def test_an_optimizer_without_a_backward_pass_is_refused():
    with pytest.raises(InputError, match="optimizer= belongs to a training step; pass backward=True"):
        flopsight.fit(Blocks(), EXAMPLE, memory_bytes=GIB, optimizer="adamw")


def test_a_model_that_cannot_be_copied_is_told():
    model = Blocks()
    model.held = (number for number in range(3))
    with pytest.raises(InputError, match=r"Blocks cannot be copied .* give a function that makes the model"):
        trained(model)
