"""Generating: prompt and steps apart, equal to hand formulas and to what transformers' own `generate` runs."""

from __future__ import annotations

import gc

import pytest
import torch
from torch import nn

import flopsight
from flopsight import cli
from flopsight.analysis.curves import Step, curve
from flopsight.analysis.weights import weight_bytes
from flopsight.errors import InputError
from flopsight.sources import in_dtype, resolve
from flopsight.tracing.fake import Fake

SMALL = "num_hidden_layers=2, vocab_size=97, hidden_size=32"
PLAIN = f"{SMALL}, intermediate_size=64, num_attention_heads=4, num_key_value_heads=2"
MODELS = {
    "LlamaForCausalLM": PLAIN,
    "MistralForCausalLM": f"{PLAIN}, sliding_window=9, head_dim=8",
    "Gemma3ForCausalLM": f"{PLAIN}, sliding_window=9, head_dim=8",
    "MixtralForCausalLM": f"{PLAIN}, num_local_experts=4",
    "GPT2LMHeadModel": "n_embd=32, n_layer=2, n_head=4, vocab_size=97",
    "MambaForCausalLM": f"{SMALL}, state_size=4",
    "T5ForConditionalGeneration": (
        "d_model=32, d_kv=8, d_ff=64, num_layers=2, num_heads=4, vocab_size=97, decoder_start_token_id=0"
    ),
}
LAYERS, H, HKV, MLP, VOCAB = 32, 4096, 1024, 14336, 128256


@pytest.fixture(scope="module")
def transformers():
    return pytest.importorskip("transformers")


@pytest.mark.parametrize("kind", MODELS)
def test_it_is_what_generate_runs(transformers, kind):
    model = resolve(f"transformers:{kind}({MODELS[kind]})", real=True).model
    found = flopsight.profile_generate(model, batch=2, prompt=6, new_tokens=12)
    gc.collect()
    assert not [item for item in gc.get_objects() if type(item) is Fake]
    with torch.no_grad(), flopsight.Profiler() as run:
        out = model.generate(torch.randint(3, 97, (2, 6)), max_new_tokens=12, min_new_tokens=12, do_sample=False)
    assert out.shape[1] == 12 + (1 if "T5" in kind else 6)
    assert found.macs == run.profile.macs
    assert not found.unknown


def by_hand(length: int) -> int:
    """Multiply-accumulates of one step of Llama-3-8B with that many tokens in its cache."""
    layer = 2 * H * H + 2 * H * HKV + 3 * H * MLP + 2 * H * (length + 1)
    return LAYERS * layer + H * VOCAB


@pytest.fixture(scope="module")
def llama(transformers):
    address = (
        f"transformers:llama(hidden_size={H}, intermediate_size={MLP}, num_hidden_layers={LAYERS}, "
        f"num_attention_heads=32, num_key_value_heads=8, vocab_size={VOCAB}, max_position_embeddings=131072)"
    )
    return in_dtype(resolve(address).model, "bfloat16")


@pytest.mark.parametrize("length", [1, 1_000, 100_000])
def test_llama_3_8b_by_hand(llama, length):
    found = flopsight.profile_generate(llama, prompt=length, new_tokens=2)
    products = 2 * H * H + 2 * H * HKV + 3 * H * MLP
    assert found.prefill.macs == LAYERS * (length * products + 2 * H * length**2) + H * VOCAB
    assert found.decode[length].macs == by_hand(length)
    assert found.prefill.cache_bytes == LAYERS * 2 * HKV * length * 2
    assert found.decode[length].cache_bytes == LAYERS * 2 * HKV * (length + 1) * 2
    weights = LAYERS * (products + 2 * H) + H + H * VOCAB
    assert found.decode[length].weight_bytes == 2 * (weights + H)  # and one row of the embedding


def test_every_step_is_exact_though_few_are_run(llama):
    found = flopsight.profile_generate(llama, prompt=100, new_tokens=1001)
    assert found.decode.lengths == range(100, 1100)
    assert [step.macs for step in found.decode] == [by_hand(length) for length in range(100, 1100)]
    assert found.macs == found.prefill.macs + sum(by_hand(length) for length in range(100, 1100))
    assert len(found.decode.pieces) == 1


def test_one_new_token_is_the_prefill_alone(llama):
    found = flopsight.profile_generate(llama, prompt=10, new_tokens=1)
    assert (len(found.decode), found.step, found.macs) == (0, None, found.prefill.macs)
    assert "decode" not in str(found)


def test_a_curve_that_bends_is_cut_where_it_does():
    asked = []

    def measure(length):
        asked.append(length)
        return Step(min(length, 700) ** 2, 3 * length, 8, 16 * min(length, 300))

    found = curve(measure, 100, 2000)
    assert all(found[length] == measure(length) for length in range(100, 2001))
    assert len(set(asked[: -len(range(100, 2001))])) < 150
    with pytest.raises(KeyError, match="no step with 99 tokens"):
        found[99]


def test_of_experts_those_are_read_that_the_rows_can_choose(transformers):
    model = resolve(f"transformers:MixtralForCausalLM({PLAIN}, num_local_experts=8)").model
    one, many = (flopsight.profile_generate(model, batch=b, prompt=4, new_tokens=2).decode[4] for b in (1, 16))
    experts = 2 * (8 - 2) * 3 * 32 * 64 * 4  # in two layers; one row chooses two of eight
    assert many.weight_bytes - one.weight_bytes == experts + (16 - 1) * 32 * 4  # and rows of the embedding


def test_rows_of_an_embedding_are_read_and_whole_weights_once():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Embedding(50, 8), nn.Linear(8, 50, bias=False)
            self.head.weight = self.table.weight

        def forward(self, ids):
            return self.head(self.table(ids))

    ids = flopsight.spec(2, 3, dtype="int64")
    assert weight_bytes(flopsight.profile(Tied(), ids)) == 50 * 8 * 4
    assert weight_bytes(flopsight.profile(nn.Embedding(50, 8), ids)) == 2 * 3 * 8 * 4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"prompt": 0, "new_tokens": 1}, "prompt is 0; it is a number of at least 1"),
        ({"prompt": 4, "new_tokens": True}, "new_tokens is True"),
        ({"prompt": 4, "new_tokens": 4}, "Linear keeps no cache that flopsight knows how to fill"),
    ],
)
def test_what_cannot_be_used_is_said(options, said):
    with pytest.raises(InputError, match=said):
        flopsight.profile_generate(nn.Linear(2, 2), **options)


def test_the_command(transformers, capsys):
    address = f"hf:llama({PLAIN})"
    assert cli.main(["serve-cost", address, "--prompt", "16", "--new", "8", "--batch", "4"]) == 0
    out = capsys.readouterr().out
    assert "LlamaForCausalLM: 4 sequences, prompt of 16, 8 new tokens each" in out
    assert "decode, 16 in the cache" in out and "decode, 22 in the cache" in out
    assert cli.main(["serve-cost", address, "--prompt", "-3"]) == 2
    assert "no number of at least 1" in capsys.readouterr().err
    assert cli.main(["serve-cost", address, "--dtype", "bfloat61"]) == 2
    assert "Did you mean 'bfloat16'" in capsys.readouterr().err
