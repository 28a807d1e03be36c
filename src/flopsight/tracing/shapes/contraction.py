"""Matrix products and convolutions."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.elementwise import broadcast
from flopsight.tracing.shapes.rules import Mismatch, Result, rule


@rule("aten::convolution")
def _convolution(
    input: Metadata, weight: Metadata, bias: Metadata | None, stride: list[int], padding: list[int],
    dilation: list[int], transposed: bool, output_padding: list[int], groups: int,
) -> Result:  # fmt: skip
    dims = weight.ndim - 2
    if transposed or input.ndim != weight.ndim or input.dtype != weight.dtype:
        return None
    if input.shape[1] != weight.shape[1] * groups:
        raise Mismatch(
            f"Given groups={groups}, weight of size {list(weight.shape)}, expected input{list(input.shape)} to have "
            f"{weight.shape[1] * groups} channels, but got {input.shape[1]} channels instead"
        )
    if weight.shape[0] % groups or (bias is not None and bias.shape != weight.shape[:1]):
        return None
    each = [values * dims if len(values) == 1 else values for values in (stride, padding, dilation)]
    spatial = [
        (size + 2 * p - d * (kernel - 1) - 1) // s + 1
        for size, kernel, s, p, d in zip(input.shape[2:], weight.shape[2:], *each, strict=True)
    ]
    shape = (input.shape[0], weight.shape[0], *spatial)
    if min(shape) <= 0 or min(input.shape) == 0 or not (input.is_contiguous and weight.is_contiguous):
        return None
    return input.like(shape)


@rule("aten::mm")
def _mm(self: Metadata, mat2: Metadata) -> Result:
    (m, k), (k2, n) = self.shape, mat2.shape
    if k != k2:
        raise Mismatch(f"mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {k2}x{n})")
    if self.dtype != mat2.dtype:
        raise Mismatch(
            f"mat1 and mat2 must have the same dtype, but got {_type_name(self.dtype)} and {_type_name(mat2.dtype)}"
        )
    return self.like((m, n))


@rule("aten::mv")
def _mv(self: Metadata, vec: Metadata) -> Result:
    if self.dtype != vec.dtype:
        names = _type_name(vec.dtype), _type_name(self.dtype), _type_name(vec.dtype)
        raise Mismatch("addmv input tensors must have the same dtype, but got {}, {}, and {}".format(*names))
    return self.like(self.shape[:1]) if self.shape[1:] == vec.shape else None


_TYPE_NAMES = {
    torch.float16: "Half", torch.bfloat16: "BFloat16", torch.float32: "Float", torch.float64: "Double",
    torch.bool: "Bool", torch.uint8: "Byte", torch.int8: "Char", torch.int16: "Short", torch.int32: "Int",
    torch.int64: "Long", torch.complex64: "ComplexFloat", torch.complex128: "ComplexDouble",
}  # fmt: skip


def _type_name(dtype: torch.dtype) -> str:
    """A dtype as PyTorch's kernels call it."""
    return _TYPE_NAMES.get(dtype) or str(dtype).removeprefix("torch.")


@rule("aten::bmm")
def _bmm(self: Metadata, mat2: Metadata) -> Result:
    (b, m, k), (b2, k2, n) = self.shape, mat2.shape
    return self.like((b, m, n)) if (b, k) == (b2, k2) and self.dtype == mat2.dtype else None


@rule("aten::_grouped_mm")
def _grouped_mm(
    self: Metadata, mat2: Metadata, offs: Metadata | None = None, bias: Any = None, out_dtype: torch.dtype | None = None
) -> Result:
    """Groups lie along the rows, the columns or the shared dimension, whichever the two-dimensional operand leaves."""
    if self.shape[-1] != mat2.shape[-2] or self.dtype != mat2.dtype or bias is not None:
        return None
    groups = () if self.ndim != mat2.ndim else self.shape[:1] if self.ndim == 3 else offs.shape if offs else None
    rows_aligned = mat2.shape[-1] * self.spec.itemsize % 16 == 0
    if groups is None or not rows_aligned or (offs is None) != (self.ndim == mat2.ndim == 3):
        return None
    return self.like((*groups, self.shape[-2], mat2.shape[-1]), dtype=out_dtype)


@rule("aten::addmm")
def _addmm(self: Metadata, mat1: Metadata, mat2: Metadata, *, beta: Any = 1, alpha: Any = 1) -> Result:
    out = _mm(mat1, mat2)
    fits = out is not None and self.dtype == mat1.dtype and broadcast(self.shape, out.shape) == out.shape
    return out if fits else None
