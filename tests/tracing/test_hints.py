"""Hints found by trying other inputs where the model failed."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flopsight import errors, profile


def failed(model, inputs, **options):
    with pytest.raises(errors.ModelError) as raised:
        profile(model, inputs, **options)
    return str(raised.value)


@pytest.mark.parametrize("options", [{}, {"backward": True}, {"execute": True}])
def test_a_forgotten_batch(options):
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.Flatten(), nn.Linear(4 * 6 * 6, 2))
    text = failed(model, (3, 8, 8), **options)
    assert "BatchNorm2d" in text
    assert text.endswith("It runs with a batch in front: (1, 3, 8, 8) for (3, 8, 8).")


@pytest.mark.parametrize("options", [{}, {"execute": True}])
def test_forgotten_integers(options):
    text = failed(nn.Embedding(5, 4), (1, 128), **options)
    assert text.endswith("It runs with integers: flopsight.spec(1, 128, dtype='int64'), or --input 1,128:int64.")


def test_a_tuple_taken_for_a_shape():
    def resized(x, size):
        return nn.functional.interpolate(x, size=size)

    text = failed(resized, (1, 3, 8, 8), kwargs={"size": (16, 16)})
    assert text.endswith("It runs with (16, 16) as integers, not as a shape: flopsight.plain((16, 16)).")


def test_no_hint_where_nothing_helps():
    assert failed(nn.Linear(4, 3), (2, 5)).endswith("It was called with (float32[2, 5]).")
    assert failed(nn.Linear(4, 3), torch.zeros(2, 5)).endswith("It was called with (float32[2, 5]).")
