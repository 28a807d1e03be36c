"""Assisted decoding: rounds equal to the calls that transformers' own `generate(assistant_model=...)` makes."""

from __future__ import annotations

from collections import Counter

import pytest
import torch

import flopsight
from flopsight import cli
from flopsight.errors import InputError
from flopsight.sources import resolve

LARGE = "vocab_size=97, hidden_size=32, intermediate_size=64, num_attention_heads=4, num_hidden_layers=2"
SMALL = "vocab_size=97, hidden_size=16, intermediate_size=48, num_attention_heads=2, num_hidden_layers=1"
K, PROMPT, NEW = 3, 6, 14


@pytest.fixture(scope="module", autouse=True)
def transformers():
    return pytest.importorskip("transformers")


@pytest.fixture
def model():
    torch.manual_seed(0)
    return resolve(f"hf:llama({LARGE})", real=True).model


@pytest.fixture
def assistant():
    torch.manual_seed(1)
    return resolve(f"hf:llama({SMALL})", real=True).model


def generated(model, assistant):
    """For each call that `generate` makes: by which model, ids read, tokens in the cache, multiply-accumulates."""
    calls = []

    def note(called, args, given):
        cache = given.get("past_key_values")
        length = 0 if cache is None else cache.get_seq_length()
        calls.append(("model" if called is model else "assistant", given["input_ids"].shape[1], length))

    hooks = [each.register_forward_pre_hook(note, with_kwargs=True) for each in {model, assistant}]
    config = assistant.generation_config
    config.num_assistant_tokens, config.num_assistant_tokens_schedule = K, "constant"
    config.assistant_confidence_threshold = 0
    with torch.no_grad(), flopsight.Profiler() as run:
        prompt = torch.randint(3, 97, (1, PROMPT))
        model.generate(prompt, assistant_model=assistant, max_new_tokens=NEW, min_new_tokens=NEW, do_sample=False)
    for hook in hooks:
        hook.remove()
    record = run.profile
    roots = {index: at for at, index in enumerate(i for i, scope in enumerate(record.scopes) if scope.parent == 0)}
    call_of = []
    for index, scope in enumerate(record.scopes):
        call_of.append(roots.get(index, call_of[scope.parent] if scope.parent >= 0 else -1))
    macs = Counter()
    for operation, scope, _ in record.calls:
        macs[call_of[scope]] += record.operations[operation].cost.macs
    return [(*call, macs[at]) for at, call in enumerate(calls)]


KINDS = ["llama()", "MistralForCausalLM(sliding_window=9, head_dim=8)", "MixtralForCausalLM(num_local_experts=4)"]


@pytest.mark.parametrize("kind", KINDS)
def test_every_whole_round_is_what_generate_runs(kind, assistant):
    torch.manual_seed(0)
    model = resolve(f"hf:{kind[:-1]}, {LARGE}, num_key_value_heads=2)".replace("(, ", "("), real=True).model
    calls = generated(model, assistant)
    found = flopsight.profile_generate(
        model, prompt=PROMPT, new_tokens=NEW, assistant=assistant, draft_tokens=K
    ).assisted
    first, rest = calls[: K + 1], calls[K + 1 :]
    assert [call[:3] for call in first] == [
        ("assistant", PROMPT, 0), ("assistant", 1, PROMPT), ("assistant", 1, PROMPT + 1), ("model", PROMPT + K, 0),
    ]  # fmt: skip
    assert (found.first.draft.macs, found.first.verify.macs) == (sum(c[3] for c in first[:K]), first[K][3])
    rounds = 0
    while len(rest) > K and rest[K][:2] == ("model", K + 1):
        length = rest[K][2]
        assert [call[1:3] for call in rest[:K]] == [(2, length - 1), (1, length + 1), (1, length + 2)]
        assert found.round(length).draft.macs == sum(call[3] for call in rest[:K])
        assert found.round(length).verify.macs == rest[K][3]
        rounds, rest = rounds + 1, rest[K + 1 :]
    assert rounds > 5


def test_where_all_is_accepted_the_rounds_are_as_few_as_can_be(model):
    calls = generated(model, model)
    found = flopsight.profile_generate(model, prompt=PROMPT, new_tokens=NEW, assistant=model, draft_tokens=K).assisted
    verified = [call for call in calls if call[1] == K + 1]
    assert [call[2] for call in verified] == [PROMPT + K, PROMPT + 2 * K + 1]
    assert [call[3] for call in verified] == [found.verify[call[2]].macs for call in verified]
    assert found.rounds == range(4, NEW + 1)
    assert found.macs_if_all_accepted == found.first.macs + sum(
        found.round(PROMPT + K + at * (K + 1)).macs for at in range(3)
    )


def test_a_round_by_hand(model, assistant):
    """Products of 2 layers of 32 wide and 1 of 16, the attention to what is in the cache, and the head's."""
    found = flopsight.profile_generate(model, prompt=50, new_tokens=60, assistant=assistant, draft_tokens=4, batch=2)
    rounds, length = found.assisted, 77

    def call(ids, before, layers, width, mlp):
        return 2 * layers * (ids * (4 * width**2 + 3 * width * mlp) + 2 * ids * (before + ids) * width)

    def head(ids, width):
        return 2 * ids * width * 97

    assert rounds.verify[length].macs == call(5, length, 2, 32, 64) + head(5, 32)
    draft = call(2, length - 1, 1, 16, 48) + sum(call(1, length + at, 1, 16, 48) for at in (1, 2, 3)) + 4 * head(1, 16)
    assert rounds.round(length).draft.macs == draft
    assert rounds.round(length).verify.cache_bytes == 2 * (length + 5) * 2 * 2 * 32 * 4
    assert rounds.round(length).draft.cache_bytes == 2 * (length + 4) * 2 * 1 * 16 * 4
    assert rounds.macs_if_none_accepted == rounds.first.macs + sum(rounds.round(at).macs for at in range(50, 109))


@pytest.mark.parametrize(("acceptance", "tokens"), [(0, 1), (1, 5), (0.5, 1.9375), (0.7, 2.7731)])
def test_what_is_expected_of_an_acceptance(model, assistant, acceptance, tokens):
    found = flopsight.profile_generate(
        model, prompt=9, new_tokens=41, assistant=assistant, draft_tokens=4, acceptance=acceptance
    ).assisted
    assert found.expected_tokens == pytest.approx(tokens)  # (1 - a**5) / (1 - a)
    if acceptance in (0, 1):
        exact = found.macs_if_all_accepted if acceptance else found.macs_if_none_accepted
        assert found.expected_macs == exact
    else:
        assert found.macs_if_all_accepted < found.expected_macs < found.macs_if_none_accepted


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "an assistant without draft_tokens"),
        ({"assistant": None, "draft_tokens": 2}, "draft_tokens without an assistant"),
        ({"assistant": None, "acceptance": 0.5}, "an acceptance without an assistant"),
        ({"draft_tokens": 0}, "draft_tokens is 0; it is a number of at least 1"),
        ({"draft_tokens": 2, "acceptance": 1.5}, "acceptance is 1.5; it is a probability, between 0 and 1"),
        ({"draft_tokens": 2, "inputs": {"pixel_values": (1, 3, 8, 8)}}, "for prompts of text; leave out pixel_values"),
    ],
)
def test_options_that_do_not_go_together_are_refused(model, assistant, options, said):
    with pytest.raises(InputError, match=said):
        flopsight.profile_generate(model, prompt=4, new_tokens=4, **{"assistant": assistant, **options})


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("llama(vocab_size=96, num_hidden_layers=1)", "a vocabulary of 97 tokens and its assistant .* one of 96"),
        ("t5(vocab_size=97, num_layers=1)", "T5ForConditionalGeneration has an encoder"),
        ("mamba(vocab_size=97, num_hidden_layers=1)", "MambaForCausalLM keeps a state that cannot be set back"),
    ],
)
def test_assistants_that_cannot_assist_are_refused(model, address, said):
    with pytest.raises(InputError, match=said):
        flopsight.profile_generate(
            model, prompt=4, new_tokens=4, assistant=resolve(f"hf:{address}").model, draft_tokens=2
        )


def test_the_command(capsys):
    options = ["serve-cost", f"hf:llama({LARGE})", "--prompt", "16", "--new", "8", "--assistant", f"hf:llama({SMALL})"]
    assert cli.main([*options, "--draft-tokens", "3", "--acceptance", "0.7"]) == 0
    out = capsys.readouterr().out
    assert "first round: draft" in out and "round, 22 in the cache: draft" in out
    assert "It gives 1 to 4 tokens." in out and "2.533 tokens on average" in out
    assert cli.main(options) == 2
    assert "say how many tokens it drafts" in capsys.readouterr().err
    assert cli.main([*options, "--draft-tokens", "3", "--acceptance", "7"]) == 2
    assert "between 0 and 1" in capsys.readouterr().err
