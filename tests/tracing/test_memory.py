"""Memory is followed as the allocator has it: each peak is held to that of a real step."""

from __future__ import annotations

import copy
import threading
from contextlib import suppress
from functools import partial

import pytest
import torch
from allocated import peak_bytes, step_bytes, storage_bytes
from torch import nn
from torch.utils.checkpoint import checkpoint

import flopsight
from flopsight import profile
from flopsight.errors import InputError
from flopsight.tracing.training import step


class Checkpointed(nn.Module):
    """Blocks that a backward pass computes again."""

    def __init__(self, reentrant):
        super().__init__()
        self.first = nn.Linear(64, 64)
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.Linear(256, 64)) for _ in range(4))
        self.reentrant = reentrant

    def forward(self, x):
        x = self.first(x)
        for block in self.blocks:
            x = x + checkpoint(block, x, use_reentrant=self.reentrant)
        return x


class Autocast(nn.Module):
    def __init__(self):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(64, 256), nn.GELU(), nn.LayerNorm(256), nn.Linear(256, 64))

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.layers(x).float()


class Branches(nn.Module):
    """Gradients of several ways are added, those of one alone in place."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(64, 64)

    def forward(self, x):
        h = self.layer(x)
        return h.sin() + h.cos() + h.exp() + (h + h.tanh())


def mlp():
    return nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64))


def convolutions():
    return nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3),
        nn.ReLU(), nn.ConvTranspose2d(32, 16, 2, 2), nn.Conv2d(16, 20, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


adam, sgd = torch.optim.Adam, partial(torch.optim.SGD, lr=0.1)
STEPS = {
    "mlp": (mlp, (512, 64), adam),
    "mlp, sgd": (mlp, (512, 64), sgd),
    "mlp, momentum": (mlp, (512, 64), partial(sgd, momentum=0.9)),
    "mlp, foreach": (mlp, (512, 64), partial(torch.optim.AdamW, foreach=True)),
    "mlp, adafactor": (mlp, (512, 64), torch.optim.Adafactor),
    "norms": (lambda: nn.Sequential(nn.Linear(64, 96), nn.GELU(), nn.LayerNorm(96), nn.Softmax(-1)), (512, 64), adam),
    "attention": (lambda: nn.TransformerEncoderLayer(64, 4, 256, batch_first=True), (8, 32, 64), adam),
    "branches": (Branches, (512, 64), sgd),
    "checkpoint": (partial(Checkpointed, False), (512, 64), adam),
    "checkpoint, reentrant": (partial(Checkpointed, True), (512, 64), adam),
    "autocast": (Autocast, (4096, 64), adam),
    "convolutions": (convolutions, (8, 3, 64, 64), adam),
    "lstm": (lambda: nn.LSTM(64, 128, 2, batch_first=True), (8, 50, 64), adam),
}  # fmt: skip


def mean_square(out):
    return (out if isinstance(out, torch.Tensor) else out[0]).square().mean()


@pytest.mark.parametrize("name", STEPS)
def test_the_peak_of_a_step_is_the_allocators(name):
    make, shape, optimizer = STEPS[name]
    if name in ("convolutions", "lstm") and torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("oneDNN copies otherwise on this processor")
    model, x = make(), torch.randn(shape)
    real = step_bytes(model, [x], mean_square, optimizer(model.parameters()))
    p = profile(model, x, backward=True, loss=mean_square, optimizer=optimizer, memory=True)
    assert p.memory.peak_bytes == pytest.approx(real, rel=0.01)


def test_a_layer_that_onednn_keeps_memory_for():
    if torch.backends.cpu.get_cpu_capability() != "AVX512":
        pytest.skip("oneDNN keeps other memory on this processor")
    for steps, batch, inputs, hidden in ((5, 2, 4, 8), (50, 8, 64, 128), (7, 64, 128, 256), (35, 20, 200, 200)):
        found = []
        for execute in (False, True):
            p = profile(nn.LSTM(inputs, hidden), (steps, batch, inputs), execute=execute)
            found += [op.outputs[-1] for op in p.operations if op.name == "aten::mkldnn_rnn_layer"]
        assert found[0] == found[1]


def test_a_forward_without_gradients_frees_what_it_is_done_with():
    model, x = mlp().eval(), torch.randn(512, 64)
    with torch.no_grad():
        real = storage_bytes([*model.parameters(), x]) + peak_bytes(lambda: model(x))
        memory = profile(model, x, memory=True).memory
    assert memory.peak_bytes == real
    assert memory.peak_bytes == 4 * (64 * 256 * 2 + 256 + 64 + 512 * 64 + 2 * 512 * 256)
    assert not memory.saved_for_backward


def test_what_is_saved_for_backward():
    memory = profile(mlp(), (512, 64), memory=True).memory
    assert memory.saved_for_backward == {"1": 4 * 512 * 256}  # of the first layer, the input is saved


def test_kinds_of_a_step():
    p = profile(mlp(), (512, 64), backward=True, loss=mean_square, optimizer=adam, memory=True)
    weights = 4 * (64 * 256 * 2 + 256 + 64)
    kinds = dict.fromkeys(("parameters", "gradients", "optimizer state", "inputs", "outputs"), 0)
    for storage in p.storages:
        if storage.kind in kinds:
            kinds[storage.kind] += storage.nbytes
    assert kinds == {
        "parameters": weights, "gradients": weights, "optimizer state": 2 * weights + 4 * 4, "inputs": 4 * 512 * 64,
        "outputs": 4 * 512 * 64,
    }  # fmt: skip
    keepers = {storage.keeper for storage in p.storages if storage.kind == "temporaries" and storage.keeper}
    assert {"ReluBackward0", "AddmmBackward0"} <= keepers


def test_the_step_of_an_optimizer_is_counted():
    p = profile(mlp(), (512, 64), backward=True, loss=mean_square, optimizer=partial(sgd, momentum=0.9))
    weights = 64 * 256 * 2 + 256 + 64
    assert p.total("exact", phase="optimizer") == 4 * weights  # the momentum times 0.9 plus the gradient; lr times that
    without = profile(mlp(), (512, 64), backward=True, loss=mean_square)
    assert p.total("exact") - p.total("exact", phase="optimizer") == without.total("exact")


def test_the_models_own_optimizer_is_left_as_it_was():
    model, x = mlp(), torch.randn(8, 64)
    optimizer = torch.optim.AdamW(model.parameters())
    for steps in range(2):
        state, weights = copy.deepcopy(optimizer.state_dict()), copy.deepcopy(model.state_dict())
        profile(model, x, backward=True, loss=mean_square, optimizer=optimizer, memory=True)
        torch.testing.assert_close(optimizer.state_dict(), state, rtol=0, atol=0)
        torch.testing.assert_close(model.state_dict(), weights, rtol=0, atol=0)
        assert all(parameter.grad is None for parameter in model.parameters()), steps
        mean_square(model(x)).backward()
        optimizer.step()
        optimizer.zero_grad()


def test_gradients_of_the_users_are_no_part_of_the_step_and_stay():
    model = mlp()
    mean_square(model(torch.randn(8, 64))).backward()
    before = [parameter.grad for parameter in model.parameters()]
    with_gradients = profile(model, (512, 64), backward=True, loss=mean_square, optimizer=adam, memory=True).memory
    assert [parameter.grad for parameter in model.parameters()] == before
    assert with_gradients.peak_bytes == (
        profile(mlp(), (512, 64), backward=True, loss=mean_square, optimizer=adam, memory=True).memory.peak_bytes
    )


def test_models_on_the_meta_device():
    with torch.device("meta"):
        model = mlp()
    expected = profile(mlp(), (512, 64), backward=True, loss=mean_square, optimizer=adam, memory=True).memory
    found = profile(model, (512, 64), backward=True, loss=mean_square, optimizer=adam, memory=True).memory
    assert found.at_peak == expected.at_peak


def test_a_loop_of_the_users_own():
    model, x = mlp(), torch.randn(512, 64)
    optimizer = adam(model.parameters())

    def step():
        optimizer.zero_grad()
        out = model(x)
        mean_square(out).backward()
        optimizer.step()

    step()
    optimizer.zero_grad()
    with flopsight.Profiler(memory=True) as profiler:
        step()
    found = profiler.profile.memory
    expected = profile(model, x, backward=True, loss=mean_square, optimizer=adam, memory=True).memory
    assert found.peak_bytes == expected.peak_bytes
    same = ("parameters", "optimizer state", "gradients", "saved")
    assert {kind: found.at_peak[kind] for kind in same} == {kind: expected.at_peak[kind] for kind in same}


def test_sparse_gradients_are_the_memory_of_their_parts():
    rows, width, tokens = 20_000, 64, 8_192
    model, ids = nn.Embedding(rows, width, sparse=True), torch.randint(0, rows, (tokens,))
    with flopsight.Profiler(memory=True) as profiler:
        model(ids).backward(torch.ones(tokens, width))
    assert profiler.profile.memory.at_peak["gradients"] == 8 * tokens + 4 * tokens * width


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(100, 32)
        self.head = nn.Linear(32, 100, bias=False)
        self.head.weight = self.embedding.weight

    def forward(self, x):
        return self.head(self.embedding(x.long()))


class Strided(nn.Module):
    """Views of views, writes in place, and a mask."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(16, 1))
        self.register_buffer("mask", torch.ones(16, 16).tril().bool())

    def forward(self, x):
        y = (x + self.weight.expand(16, 16)).permute(0, 2, 1).contiguous().masked_fill(~self.mask, 0.0)
        y[:, 0] = 0
        y.mul_(2)
        return torch.cat([y.view(4, -1)[:, ::2], y.flatten(1)], 1)


class Scaled(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.other = x * 2
        return x.exp()

    @staticmethod
    def backward(ctx, gradient):
        return gradient * ctx.saved_tensors[0] * ctx.other


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(16, 16)

    def forward(self, x):
        return Scaled.apply(self.layer(x))


class InThread(Custom):
    def forward(self, x):
        results = []
        thread = threading.Thread(target=lambda: results.append(self.layer(x)))
        thread.start()
        thread.join()
        return results[0] * 2


LAST = torch.channels_last
REAL = {
    "tied": (Tied, torch.ones(4, 16)),
    "channels last": (
        lambda: nn.Sequential(nn.Conv2d(8, 16, 3), nn.BatchNorm2d(16), nn.ReLU()).to(memory_format=LAST),
        torch.randn(4, 8, 16, 16).to(memory_format=LAST),
    ),
    "strided": (Strided, torch.randn(4, 16, 16)), "custom": (Custom, torch.randn(4, 16, 16)),
    "in a thread": (InThread, torch.randn(4, 16, 16)),
    "gru": (lambda: nn.GRU(16, 32, 2, batch_first=True), torch.randn(4, 10, 16)),
    "dropout": (lambda: nn.Sequential(nn.Linear(16, 16), nn.Dropout(0.5)), torch.randn(4, 16)),
}  # fmt: skip


@pytest.mark.parametrize("name", REAL)
def test_stand_ins_live_as_the_real_tensors_do(name):
    make, x = REAL[name]
    model = make()
    optimizer = sgd(model.parameters())

    def step():
        out = model(x)
        mean_square(out).backward()
        optimizer.step()

    with flopsight.Profiler(memory=True) as profiler:
        step()
    optimizer.zero_grad()
    found = profile(model, x, backward=True, loss=mean_square, optimizer=sgd, memory=True)
    assert found.memory.peak_bytes == pytest.approx(profiler.profile.memory.peak_bytes, abs=16)  # scalars of Python's


def test_a_run_that_does_not_follow_memory_is_told_apart():
    with pytest.raises(InputError, match="memory=True"):
        _ = profile(mlp(), (512, 64)).memory


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"optimizer": adam}, "backward=True"),
        ({"loss": mean_square}, "backward=True"),
        ({"optimizer": adam, "backward": True, "execute": True}, "leave execute out"),
        ({"optimizer": "adam", "backward": True}, "torch.optim.AdamW"),
        ({"optimizer": lambda parameters: None, "backward": True}, "makes no optimizer"),
    ],
)
def test_options_that_do_not_go_together(options, sentence):
    with pytest.raises(InputError, match=sentence):
        profile(mlp(), torch.zeros(8, 64), **options)


def test_named_sizes_have_no_memory():
    with pytest.raises(InputError, match="give one for each size"):
        profile(mlp(), ("batch", 64), memory=True)


def test_a_model_without_a_parameter_to_train():
    with pytest.raises(InputError, match="unfreeze"):
        profile(mlp().requires_grad_(False), (8, 64), backward=True, optimizer=adam)


def test_a_tensor_made_of_a_number_may_be_written():
    """`torch.tensor` makes its memory past the dispatcher; it is the run's own."""

    def count(x):
        steps = torch.tensor(0.0)
        for _ in range(3):
            steps += 1
        return x * steps.item()

    assert profile(count, (4,)).total("exact") == 3 + 4


def test_no_tensor_is_kept_by_an_error_on_its_way():
    """An exception that code of the user's catches holds the frames it came from, and what is in these."""

    class Fails(nn.Module):
        def forward(self, x):
            made = x + 1
            raise ValueError(made.shape)

    class Catches(nn.Module):
        def __init__(self):
            super().__init__()
            self.fails = Fails()

        def forward(self, x):
            with suppress(ValueError):
                self.fails(x)
            return x * 2

    with torch.no_grad():
        memory = profile(Catches(), (100,), memory=True).memory
    assert memory.peak_bytes == 2 * 400


def test_a_run_with_proposals_remembers_for_itself_alone():
    before = dict(step._MEMO.current())
    profile(lambda x: x[x > 0].sum(), (123,), proposals=7, memory=True)
    assert step._MEMO.current() == before
