from __future__ import annotations

from collections.abc import Callable
from typing import Any

import hypothesis.strategies as st
import numpy as np
import torch
from oracle import Scalar
from proof import Call, Proof, proven, tensor, unproven


def zeros(shape: Any) -> np.ndarray:
    out = np.empty(tuple(shape), dtype=object)
    for index in np.ndindex(*out.shape):
        out[index] = Scalar(0.0)
    return out


def reflected(i: int, size: int) -> int:
    return -i if i < 0 else 2 * (size - 1) - i if i >= size else i


def replicated(i: int, size: int) -> int:
    return min(max(i, 0), size - 1)


def pad_backward(source: Callable[[int, int], int]) -> Callable[..., Any]:
    def reference(grad_output: np.ndarray, self: np.ndarray, padding: list[int]) -> Any:
        out = zeros(self.shape)
        dims = len(padding) // 2
        for index in np.ndindex(*grad_output.shape):
            batch, place = index[: self.ndim - dims], index[self.ndim - dims :]
            starts = padding[::2][::-1]
            spot = [source(p - s, n) for p, s, n in zip(place, starts, self.shape[self.ndim - dims :], strict=True)]
            out[(*batch, *spot)] = out[(*batch, *spot)] + grad_output[index]
        return out

    return reference


def unfold_backward(grad_in: np.ndarray, input_sizes: list[int], dim: int, step: int) -> Any:
    out = zeros(input_sizes)
    for index in np.ndindex(*grad_in.shape):
        *place, within = index
        place[dim] = place[dim] * step + within
        out[tuple(place)] = out[tuple(place)] + grad_in[index]
    return out


def col2im(self, output_size, kernel_size, dilation, padding, stride):
    height, width = output_size
    (kh, kw), (sh, sw), (dh, dw), (ph, pw) = kernel_size, stride, dilation, padding
    channels = self.shape[1] // (kh * kw)
    across = (width + 2 * pw - dw * (kw - 1) - 1) // sw + 1
    out = zeros((self.shape[0], channels, height + 2 * ph, width + 2 * pw))
    for n, row, block in np.ndindex(*self.shape):
        c, tap = divmod(row, kh * kw)
        y = block // across * sh + tap // kw * dh
        x = block % across * sw + tap % kw * dw
        out[n, c, y, x] = out[n, c, y, x] + self[n, row, block]
    return out[:, :, ph : ph + height, pw : pw + width]


@st.composite
def padded(draw: Any, dims: int, largest: int) -> Any:
    spatial = [draw(st.integers(largest + 1, 4)) for _ in range(dims)]
    padding = [draw(st.integers(0, largest)) for _ in range(2 * dims)]
    x = tensor(2, 1, *spatial)
    shape = torch.nn.functional.pad(x, padding).shape
    return Call({"grad_output": tensor(*shape, seed=1), "self": x, "padding": padding})


@st.composite
def unfolded(draw: Any) -> Any:
    sizes = [draw(st.integers(1, 4)), draw(st.integers(1, 4))]
    dim = draw(st.integers(0, 1))
    size, step = draw(st.integers(1, sizes[dim])), draw(st.integers(1, 3))
    shape = tensor(*sizes).unfold(dim, size, step).shape
    return Call({"grad_in": tensor(*shape), "input_sizes": sizes, "dim": dim, "size": size, "step": step})


@st.composite
def folded(draw: Any) -> Any:
    pair = lambda low, high: [draw(st.integers(low, high)), draw(st.integers(low, high))]
    given_ = {"kernel_size": pair(1, 2), "dilation": pair(1, 2), "padding": pair(0, 1), "stride": pair(1, 2)}
    size = pair(3, 4)
    columns = torch.ops.aten.im2col(tensor(1, 2, *size), **given_)
    return Call({"self": tensor(*columns.shape), "output_size": size} | given_)


PROOFS = {
    **{f"aten::reflection_pad{d}d_backward": Proof(pad_backward(reflected), padded(d, 2)) for d in (1, 2, 3)},
    **{f"aten::replication_pad{d}d_backward": Proof(pad_backward(replicated), padded(d, 3)) for d in (1, 2, 3)},
    "aten::unfold_backward": Proof(unfold_backward, unfolded()),
    "aten::col2im": Proof(col2im, folded()),
}


test_counts = proven(PROOFS)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "padding") == set()
