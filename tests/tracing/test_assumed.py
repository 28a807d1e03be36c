"""Values that integer inputs get when only their shape is given."""

from __future__ import annotations

import pytest
import torch
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

from flopsight import errors, load, profile, spec


class Reader(nn.Module):
    """An embedding, and a forward that keeps what it was called with."""

    def __init__(self, *sizes, padding=None):
        super().__init__()
        self.tables = nn.ModuleList(nn.Embedding(size, 4, padding_idx=padding) for size in sizes)

    def forward(self, ids, attention_mask=None, position_ids=None, key_padding_mask=None, labels=None, lengths=None):
        self.check(locals())
        return [table(ids) for table in self.tables]


def ints(*shape, dtype="int64"):
    return spec(*shape, dtype=dtype)


@pytest.mark.parametrize("execute", [False, True])
def test_what_the_name_says_and_the_embedding_takes(execute):
    def check(given):
        assert given["ids"].tolist() == [[0, 1, 2, 3], [4, 0, 1, 2]]
        assert given["attention_mask"].tolist() == [[1, 1, 1, 1]] * 2
        assert given["position_ids"].tolist() == [[0, 1, 2, 3]] * 2
        assert given["key_padding_mask"].tolist() == [[False] * 4] * 2
        assert given["labels"].tolist() == [0, 0]
        assert given["lengths"].tolist() == [4, 4]
        assert given["position_ids"].dtype == torch.int32

    model = Reader(9, 5)
    model.check = check
    masks = {"attention_mask": ints(2, 4), "key_padding_mask": ints(2, 4, dtype="bool")}
    named = {**masks, "position_ids": ints(2, 4, dtype="int32"), "labels": ints(2), "lengths": ints(2)}
    found = profile(model, ints(2, 4), kwargs=named, execute=execute)
    assert len(found.notes) == 6
    assert set(found.notes) == {
        "The argument 'ids' holds ids from 0 to 4, below the size of every embedding.",
        "The argument 'attention_mask' is a mask of ones.",
        "The argument 'key_padding_mask' marks no padding.",
        "The argument 'position_ids' counts up from 0 to 3.",
        "The argument 'labels' is zero everywhere.",
        "The argument 'lengths' is 4 everywhere, the full length of a sequence.",
    }


def test_ids_are_no_padding():
    model = Reader(5, padding=1)
    model.check = lambda given: found.append(given["ids"].tolist())
    found = []
    profile(model, ints(5))
    assert found == [[2, 3, 4, 2, 3]]


def test_assumptions_stand_below_the_table_and_are_saved(tmp_path):
    sentence = "The argument 'ids' holds ids from 0 to 8, below the size of every embedding."
    model = Reader(9)
    model.check = lambda given: given["ids"].max().item()
    found = profile(model, ints(2, 3))
    assert f"Assumptions:\n  {sentence}\n" in str(found)
    found.save(tmp_path / "saved.json")
    assert list(load(tmp_path / "saved.json").notes) == [sentence]
    assert not profile(model, torch.zeros(2, 3, dtype=torch.int64)).notes


def test_nothing_is_said_of_values_that_nothing_asks_for():
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(9, 4)

        def forward(self, ids, mask):
            hidden = (1.0 - mask[:, None].float()) * -1e9
            ids = ids.clone()
            ids[:, 0] = 1
            ids = torch.where(ids > 3, ids, 0).masked_fill_(mask == 0, 2)
            return (self.table(ids) @ self.table(ids).mT + hidden).softmax(-1).where(mask[:, None].bool(), 0)

    found = profile(Model(), [ints(2, 3), ints(2, 3)])
    assert not found.notes
    assert found.macs == 2 * 3 * 4 * 3
    assert list(profile(Model(), [ints(2, 3), ints(2, 3)], execute=True).notes) == [
        "The argument 'ids' holds ids from 0 to 8, below the size of every embedding.",
        "The argument 'mask' is a mask of ones.",
    ]


@pytest.mark.parametrize("shape", [(2, 3), (300, 300)])
@pytest.mark.parametrize("backward", [False, True])
def test_integers_whose_memory_is_read(shape, backward):
    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.table = nn.Embedding(9, 4)

        def forward(self, ids):
            few = torch.tensor([ids[0, 1], ids[0, 2]])
            return self.table(ids) @ torch.ones(4, int(few.sum()))

    fake, real = (profile(Model(), ints(*shape), execute=execute, backward=backward) for execute in (False, True))
    assert fake.macs == real.macs == shape[0] * shape[1] * 4 * (1 + 2) * (1 + backward)
    assert fake.notes == real.notes == ["The argument 'ids' holds ids from 0 to 8, below the size of every embedding."]


def test_what_integers_decide_is_computed():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.lstm = nn.Embedding(10, 4), nn.LSTM(4, 3, batch_first=True)

        def forward(self, ids, mask, lengths):
            if ids.max() >= 10 or not mask.any():
                raise ValueError("ids out of range")
            x = self.table(ids)
            self.lstm(pack_padded_sequence(x, lengths, batch_first=True))
            return x[mask.bool()] @ torch.ones(4, 2)

    given = [ints(2, 5), ints(2, 5), ints(2)]
    fake, real = (profile(Careful(), given, execute=execute) for execute in (False, True))
    assert fake.macs == real.macs == 2 * 5 * (4 * 3 * (4 + 3) + 4 * 2)


def test_integers_of_which_nothing_is_known_have_no_values():
    for given in (ints(2), ints(300, 300)):
        with pytest.raises(errors.NeedsValuesError, match=r"tolist\(\)"):
            profile(lambda x: x.tolist(), given)
    with pytest.raises(errors.NeedsValuesError, match="max"):
        profile(lambda x, mask: int(x.max()), [(2, 2), ints(2)])
