"""`flopsight fit`: one table, exit code 1 where it does not fit, and one sentence where it cannot be said."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest
from command_line import refused, run

from flopsight.cli._values import nbytes

NET = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(256, 256)

    def forward(self, x, labels=None):
        out = self.layer(x)
        return out if labels is None else {"loss": nn.functional.cross_entropy(out, labels)}
"""


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")
    Path("net.py").write_text(NET)


def cells(out):
    return {line.split("  ")[0]: line.split() for line in out.splitlines()}


def test_what_fits_is_a_table(capsys):
    code, out, _ = run(capsys, "fit", "net.py:Net", "--input", "batch,256", "--batch", "8", "--memory", "1MiB")
    assert code == 0
    assert out.startswith("Net: forward, batch of 8, in 1.00 MiB")
    weights, example = 4 * (256 * 256 + 256), 4 * 2 * 256
    assert cells(out)["as given"][-1] == str((2**20 - weights) // example)
    assert "It fits: 273.00 KiB at a batch of 8." in out


def test_what_does_not_fit_exits_with_1_and_says_what_to_change(capsys):
    command = ("fit", "net.py:Net", "--input", "x=batch,256", "--memory", "500KiB", "--backward")
    code, out, _ = run(capsys, *command, "--optimizer", "adamw")
    assert code == 1
    assert cells(out)["as given"][-1] == "none"
    weights, matrix = 4 * (256 * 256 + 256), 4 * 256 * 256
    peak = f"{(4 * weights + 2 * matrix + 2 * 1024) / 2**20:.2f} MiB"  # gradients, two states; a root and a quotient
    assert f"It does not fit: {peak} are needed at a batch of 1" in out
    assert "What helps most is SGD: " in out


def test_labels_are_given_by_name(capsys):
    labels = ("--input", "x=batch,256", "--input", "labels=batch:int64")
    code, out, _ = run(capsys, "fit", "net.py:Net", *labels, "--memory", "1GB", "--backward", "--dtype", "bfloat16")
    assert code == 0
    assert "forward and backward, batch of 1" in out
    assert "bf16 parameters" not in out


def test_a_source_makes_inputs_of_any_batch(capsys):
    gpt2 = "transformers:gpt2(n_layer=2, n_embd=64, n_head=2, vocab_size=100)"
    code, out, _ = run(capsys, "fit", gpt2, "--seq", "64", "--memory", "64MiB", "--backward", "--optimizer", "sgd")
    assert code == 0
    assert "GPT2LMHeadModel: training step with sgd" in out
    assert int(cells(out)["checkpointing"][-1]) > int(cells(out)["as given"][-1]) > 1


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (("--memory", "80GoB"), "'80GoB' is no size of memory; write 80GiB, 24GB or bytes"),
        (("--memory", "0"), "'0' is no size of memory"),
        ((), "arguments are required: --memory"),
        (("--memory", "1GiB", "--optimizer", "adam"), "belongs to a training step; pass --backward too"),
        (("--memory", "1GiB", "--backward", "--optimizer", "adm"), "no optimizer 'adm'. Did you mean 'adam'"),
        (("--memory", "1GiB", "--dtype", "bf16"), "'bf16' is no floating-point dtype"),
    ],
)
def test_what_cannot_be_used_is_told(capsys, arguments, sentence):
    assert sentence in refused(capsys, "fit", "net.py:Net", "--input", "batch,256", *arguments)


def test_inputs_of_one_batch_are_told(capsys):
    told = refused(capsys, "fit", "net.py:Net", "--input", "1,256", "--memory", "1GiB")
    assert "are the same at every batch" in told


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("80GiB", 80 * 2**30), ("24GB", 24 * 10**9), ("24 gb", 24 * 10**9), ("1.5KiB", 1536), ("1.1kB", 1100),
        ("4096", 4096), ("7B", 7), ("2TiB", 2 * 2**40),
    ],
)  # fmt: skip
def test_sizes_of_memory(text, size):
    assert nbytes(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GiB", "1e9", "0.1B", "9" * 40, "1 G"])
def test_what_is_no_size_of_memory(text):
    with pytest.raises(argparse.ArgumentTypeError, match="is no size of memory"):
        nbytes(text)
