"""A run that computes nothing imports no `torch._dynamo`, in a process of its own, whatever kernels it asks."""

from __future__ import annotations

import subprocess
import sys

import pytest
from versions import REFERENCE, VERSION

START = """
import sys
import torch
import torch.nn.functional as F
from torch import nn
import flopsight

before = torch.manual_seed
ids = flopsight.spec(2, 5, dtype="int64")


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3, 2, 1, bias=False), nn.BatchNorm2d(8)
        self.again, self.head = nn.Conv2d(8, 8, 3, 1, 1), nn.Linear(8, 10)

    def forward(self, x):
        x = F.max_pool2d(F.relu(self.norm(self.conv(x)), inplace=True), 3, 2, 1)
        return self.head(F.relu(x + self.again(x)).mean((2, 3)))


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.words, self.norm, self.out = nn.Embedding(20, 16), nn.LayerNorm(16), nn.Linear(16, 20)

    def forward(self, ids, labels):
        x = self.norm(self.words(ids))
        x = F.scaled_dot_product_attention(x, x, x, is_causal=True)
        return F.cross_entropy(self.out(F.silu(x)).flatten(0, 1), labels.flatten())


class Each(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.weight, self.function = nn.Parameter(torch.ones(8)), function

    def forward(self, x):
        return self.function(x * self.weight)
"""

END = """
assert "torch._dynamo" not in sys.modules, f"Dynamo was imported by {after}"
assert torch.manual_seed is before, f"torch.manual_seed was replaced by {after}"
"""

RUNS = {
    "a small ResNet": "flopsight.profile(Net().{mode}(), (2, 3, 32, 32), backward=True)",
    "a transformer layer": """
layer = nn.TransformerEncoderLayer(16, 4, 32, batch_first=True, activation="gelu").{mode}()
flopsight.profile(layer, (2, 5, 16), backward=True)
flopsight.profile(layer, (2, 5, 16))
""",
    "a language model": "flopsight.profile(Language().{mode}(), (ids, ids), backward=True)",
    "an LSTM": "flopsight.profile(nn.LSTM(4, 8, 2, batch_first=True, dropout=0.1).{mode}(), (2, 5, 4), backward=True)",
    "a GRU": "flopsight.profile(nn.GRU(4, 8).{mode}(), (5, 2, 4), backward=True)",
    "operators": """
functions = [
    F.relu6, F.elu, F.leaky_relu, F.softplus, F.mish, F.hardswish, F.logsigmoid, torch.tanh, torch.sigmoid, F.normalize,
    lambda x: F.glu(x, 1), lambda x: F.interpolate(x, scale_factor=2, mode="bilinear"), lambda x: F.group_norm(x, 2),
    lambda x: F.mse_loss(x, x + 1), lambda x: F.smooth_l1_loss(x, x + 1), lambda x: x.clamp(0, 1) / (x + 1),
    lambda x: torch.where(x > 0, x, 2 * x), lambda x: torch.stack([x, x]).softmax(-1), lambda x: F.unfold(x, 3),
    lambda x: x.abs().cumsum(1), lambda x: F.dropout(x.transpose(1, 2) + x.transpose(2, 1), 0.5),
]
for function in functions:
    flopsight.profile(Each(function).{mode}(), (2, 4, 8, 8), backward=True)
""",
}


def fresh(code: str) -> subprocess.CompletedProcess[str]:
    """`code` in a Python of its own."""
    return subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=False)


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_forward_and_backward_leave_dynamo_out(mode) -> None:
    runs = [f"{code}\nafter = {name!r}\n{END}" for name, code in RUNS.items()]
    done = fresh(START + "".join(runs).replace("{mode}", mode))
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def _kernels_ask() -> None:
    """Skip where PyTorch's kernels import no Dynamo of themselves; once none does, `tracing.without_dynamo` can go."""
    code = "import torch, sys\nx = torch.empty(3, device='meta')\ntorch.ops.aten.threshold_backward(x, x, 0)\n"
    asks = fresh(code + "assert 'torch._dynamo' in sys.modules").returncode == 0
    if not asks and not VERSION.startswith(REFERENCE):
        pytest.skip(f"PyTorch {VERSION} has kernels that import no Dynamo")
    assert asks


@pytest.mark.usefixtures("_kernels_ask")
def test_compilation_works_afterwards_and_asks_dynamo_again() -> None:
    code = """
from flopsight.tracing.operators import without_dynamo

record = flopsight.profile(Net(), (2, 3, 32, 32), backward=True)
flopsight.profile(lambda x: F.glu(x, 1), (2, 4))  # one whose result no rule of ours tells


def answers():
    held = (without_dynamo._closure(kernel).get("fn") for kernel in without_dynamo._kernels())
    return [answer for function in held if (answer := getattr(function, "__dynamo_disable", None))]


def ours(found):
    return [answer for answer in found if answer.__module__ == without_dynamo.__name__]


given = len(ours(answers()))
assert given > 50
assert "torch._dynamo" not in sys.modules
import torch._dynamo

compiled = torch.compile(Net().eval(), backend="aot_eager", fullgraph=True)
x = torch.randn(2, 3, 32, 32)
compiled(x).sum().backward()
assert torch._dynamo.utils.counters["stats"]["unique_graphs"] == 1
meta = torch.empty(3, device="meta")
torch.ops.aten.le(meta, 0)
torch.ops.aten.glu(torch.empty(4, device="meta"), 0)
assert len(ours(answers())) < given
again = flopsight.profile(Net(), (2, 3, 32, 32), backward=True)
assert (again.macs, again.cost) == (record.macs, record.cost)
"""
    done = fresh(START + code)
    assert done.returncode == 0, done.stderr


@pytest.mark.usefixtures("_kernels_ask")
def test_where_dynamo_is_there_nothing_is_changed() -> None:
    code = """
import torch._dynamo
from flopsight.tracing.operators import without_dynamo

flopsight.profile(Net(), (2, 3, 32, 32), backward=True)
torch.ops.aten.glu(torch.empty(4, device="meta"), 0)
held = (without_dynamo._closure(kernel).get("fn") for kernel in without_dynamo._kernels())
answers = [answer for function in held if (answer := getattr(function, "__dynamo_disable", None))]
assert answers
assert not [answer for answer in answers if answer.__module__ == without_dynamo.__name__]
"""
    done = fresh(START + code)
    assert done.returncode == 0, done.stderr
