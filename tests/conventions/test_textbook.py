"""The textbook's formulas: one input image, activations left out.

I input channels or features · O outputs · K side of the kernel · H, W size of the result
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import flopsight

sizes = st.integers(1, 9)


@settings(max_examples=20, deadline=None)
@given(I=sizes, O=sizes, K=st.integers(1, 4), H=sizes, W=sizes)
def test_convolution(I: int, O: int, K: int, H: int, W: int) -> None:
    shape = (1, I, H + K - 1, W + K - 1)
    with_bias = flopsight.profile(nn.Conv2d(I, O, K), shape)
    without = flopsight.profile(nn.Conv2d(I, O, K, bias=False), shape)
    assert without.total("linear") == (2 * I * K**2 - 1) * H * W * O
    assert with_bias.total("linear") == 2 * I * K**2 * H * W * O
    assert with_bias.params == O * (K * K * I + 1)
    assert with_bias.total("weights") == H * W * O * (K * K * I + 1)
    assert with_bias.total("weights") == H * W * with_bias.params
    assert with_bias.params.nbytes == 4 * with_bias.params


@settings(max_examples=20, deadline=None)
@given(I=sizes, O=sizes)
def test_fully_connected(I: int, O: int) -> None:
    with_bias = flopsight.profile(nn.Linear(I, O), (1, I))
    without = flopsight.profile(nn.Linear(I, O, bias=False), (1, I))
    assert without.total("linear") == (2 * I - 1) * O
    assert with_bias.total("linear") == 2 * I * O
    assert with_bias.total("weights") == (I + 1) * O == with_bias.params
