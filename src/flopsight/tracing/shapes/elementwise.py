"""Element by element: broadcasting, type promotion, and the strides of the result."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.rules import RULES, Result, rule
from flopsight.tracing.shapes.strides import iterated, preserved


def broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    """The shape that tensors of `shapes` broadcast to, or None if they do not."""
    first = shapes[0]
    if shapes.count(first) == len(shapes):
        return first
    out: list[int] = []
    ndim = max(map(len, shapes))
    for sizes in zip(*[(1,) * (ndim - len(shape)) + shape for shape in shapes], strict=True):
        size = 1
        for other in sizes:
            if size == 1:
                size = other
            elif other not in (1, size):
                return None
        out.append(size)
    return tuple(out)


_CATEGORY = {bool: 0, int: 1, float: 2, complex: 3}


def _category(dtype: torch.dtype) -> int:
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 0 if dtype is torch.bool else 1


def promoted(operands: tuple[Any, ...]) -> torch.dtype:
    """The dtype PyTorch computes in: tensors with dimensions first, then those without, then numbers."""
    dtypes = {operand.dtype if isinstance(operand, Metadata) else None for operand in operands}
    if len(dtypes) == 1 and (only := dtypes.pop()) is not None:
        return only
    ranks: list[torch.dtype | None] = [None, None, None]
    for operand in operands:
        if isinstance(operand, Metadata):
            rank, dtype = (0 if operand.shape else 1), operand.dtype
        else:
            rank, dtype = 2, _number_dtype(operand)
        known = ranks[rank]
        ranks[rank] = dtype if known is None else torch.promote_types(known, dtype)
    found: torch.dtype | None = None
    for dtype_of_rank in ranks:
        if dtype_of_rank is not None and (found is None or _category(dtype_of_rank) > _category(found)):
            found = dtype_of_rank if found is None else torch.promote_types(found, dtype_of_rank)
            if found is not dtype_of_rank and _category(found) == 3 and not dtype_of_rank.is_complex:
                raise ValueError("mixed complex promotion is left to PyTorch")
    assert found is not None
    return found


def _number_dtype(number: Any) -> torch.dtype:
    if isinstance(number, bool):
        return torch.bool
    if isinstance(number, int):
        return torch.int64
    if isinstance(number, float):
        return torch.get_default_dtype()
    raise ValueError("complex numbers are left to PyTorch")


def elementwise(operands: tuple[Any, ...], dtype: torch.dtype, computed: torch.dtype | None = None) -> Result:
    """The result in `dtype` of an operator on each element, whose operands are turned into `computed` first."""
    tensors = [operand for operand in operands if isinstance(operand, Metadata)]
    shape = tensors[0].shape if len(tensors) == 1 else broadcast(*(t.shape for t in tensors))
    if shape is None or len({t.device for t in tensors}) > 1:
        return None
    first = tensors[0]
    if len(operands) == 1 and first.is_contiguous:
        return first if dtype is first.dtype else first.like(shape, first.stride, dtype)
    return first.like(shape, iterated(shape, tensors, computed, numbers=len(tensors) < len(operands)), dtype)


def _same(*operands: Any, **_: Any) -> Result:
    dtype = promoted(operands)
    return elementwise(operands, dtype, dtype)


def _difference(*operands: Any, **named: Any) -> Result:
    boolean = any((o.dtype if isinstance(o, Metadata) else _number_dtype(o)) is torch.bool for o in operands)
    return None if boolean else _same(*operands, **named)


def _reversed(self: Any, other: Any, alpha: Any = 1) -> Result:
    return _difference(other, self)


def _floating(*operands: Any, **_: Any) -> Result:
    dtype = promoted(operands)
    dtype = dtype if _category(dtype) >= 2 else torch.get_default_dtype()
    return elementwise(operands, dtype, dtype)


def _boolean(*operands: Any, **_: Any) -> Result:
    return elementwise(operands, torch.bool, promoted(operands))


def _unary(self: Metadata, *_: Any, **__: Any) -> Result:
    return elementwise((self,), self.dtype)


def _unary_floating(self: Metadata, *_: Any, **__: Any) -> Result:
    return _floating(self)


RULES |= dict.fromkeys(("aten::add", "aten::mul", "aten::maximum", "aten::minimum"), _same)
RULES |= dict.fromkeys(("aten::sub",), _difference) | {"aten::rsub": _reversed}
RULES |= dict.fromkeys(("aten::eq", "aten::ne", "aten::lt", "aten::le", "aten::gt", "aten::ge"), _boolean)
RULES |= dict.fromkeys(("aten::logical_not", "aten::logical_and", "aten::logical_or", "aten::isnan"), _boolean)
RULES |= dict.fromkeys(
    ("aten::relu", "aten::neg", "aten::gelu", "aten::silu", "aten::hardswish", "aten::hardsigmoid", "aten::leaky_relu",
     "aten::elu", "aten::softplus", "aten::mish", "aten::bitwise_not"),
    _unary,
)  # fmt: skip
RULES |= dict.fromkeys(
    ("aten::exp", "aten::log", "aten::sqrt", "aten::rsqrt", "aten::sin", "aten::cos", "aten::tanh", "aten::sigmoid",
     "aten::erf", "aten::reciprocal"),
    _unary_floating,
)  # fmt: skip


@rule("aten::hardtanh")
def _hardtanh(self: Metadata, *_: Any, **__: Any) -> Result:
    return self.like(self.shape, preserved(self))


@rule("aten::div")
def _div(self: Metadata, other: Any, *, rounding_mode: str | None = None) -> Result:
    return _floating(self, other) if rounding_mode is None else None


@rule("aten::pow")
def _pow(self: Any, exponent: Any) -> Result:
    return (
        elementwise((self,), self.dtype)
        if self.dtype.is_floating_point and not isinstance(exponent, Metadata)
        else None
    )


@rule("aten::clamp")
def _clamp(self: Metadata, *bounds: Any, **named: Any) -> Result:
    numbers = all(bound is None or type(bound) in (int, float) for bound in (*bounds, *named.values()))
    return elementwise((self,), self.dtype) if numbers and self.dtype.is_floating_point else None


@rule("aten::clamp_min", "aten::clamp_max")
def _clamp_one(self: Metadata, bound: Any) -> Result:
    return elementwise((self,), self.dtype) if type(bound) in (int, float) and self.dtype.is_floating_point else None


@rule("aten::native_dropout")
def _native_dropout(input: Metadata, p: float, train: bool | None) -> Result:
    out = elementwise((input,), input.dtype)
    return out and (out, out.like(out.shape, preserved(input), torch.bool))


@rule("aten::masked_fill")
def _masked_fill(self: Metadata, mask: Metadata, value: Any) -> Result:
    fits = mask.dtype is torch.bool and type(value) in (int, float) and self.dtype.is_floating_point
    shape = broadcast(self.shape, mask.shape) if fits else None
    return None if shape is None else self.like(shape)
