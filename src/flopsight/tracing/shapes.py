"""Results of the hottest operators from metadata alone, in place of PyTorch's meta kernels.

A meta kernel written in Python takes 0.1 to 0.8 ms, and the first one imports `torch._dynamo` (a second). A rule here
takes microseconds. A rule returns None wherever it is not sure; the meta kernel then decides, or raises.
Where a meta kernel's message is less clear than that of the real kernel, the rule raises the latter (`Mismatch`).
Property tests hold each rule against PyTorch's real kernels.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flopsight.tracing.fake import Metadata, contiguous, metadata

Result = Any  # Metadata, a tuple of them, or None where the rule does not apply


class Mismatch(RuntimeError):
    """Shapes that do not fit, in the words of PyTorch's own kernel."""


RULES: dict[str, Callable[..., Result]] = {}


def _rule(*operators: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    def declare(function: Callable[..., Result]) -> Callable[..., Result]:
        for operator in operators:
            RULES[operator] = function
        return function

    return declare


def result(operator: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Result:
    """The result of `namespace::name` on arguments with `Metadata` for tensors, or None where no rule applies."""
    rule = RULES.get(operator) or RULES.get(operator.removesuffix("_"))
    if rule is None:
        return None
    try:
        return rule(*args, **kwargs)
    except Mismatch as error:
        raise RuntimeError(*error.args) from None
    except (TypeError, ValueError, IndexError, AttributeError, RuntimeError, ZeroDivisionError):
        return None


def _broadcast(*shapes: tuple[int, ...]) -> tuple[int, ...] | None:
    out: list[int] = []
    for sizes in zip(*(((1,) * (max(map(len, shapes)) - len(shape))) + shape for shape in shapes), strict=True):
        size = next((size for size in sizes if size != 1), 1)
        if any(other not in (1, size) for other in sizes):
            return None
        out.append(size)
    return tuple(out)


def _dense(of: Metadata) -> bool:
    """Whether the elements fill memory without gap or overlap, in some order of dimensions."""
    step = 1
    for stride, size in sorted(zip(of.stride, of.shape, strict=True)):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return of.numel > 0


_CATEGORY = {bool: 0, int: 1, float: 2, complex: 3}


def _category(dtype: torch.dtype) -> int:
    return 3 if dtype.is_complex else 2 if dtype.is_floating_point else 0 if dtype is torch.bool else 1


def _promoted(operands: tuple[Any, ...]) -> torch.dtype:
    """The dtype PyTorch computes in: tensors with dimensions first, then those without, then numbers."""
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


def _elementwise(operands: tuple[Any, ...], dtype: torch.dtype) -> Result:
    tensors = [operand for operand in operands if isinstance(operand, Metadata)]
    shape = tensors[0].shape if len(tensors) == 1 else _broadcast(*(t.shape for t in tensors))
    if shape is None or len({t.device for t in tensors}) > 1:
        return None
    first = next((t for t in tensors if t.shape == shape), None)
    if first is None or not _dense(first):
        return None
    for t in tensors:
        if t.shape == shape:
            if t.stride != first.stride:
                return None
        elif not (first.is_contiguous and t.is_contiguous) and t.numel != 1:
            return None
    return first.like(shape, first.stride, dtype)


def _same(*operands: Any, **_: Any) -> Result:
    return _elementwise(operands, _promoted(operands))


def _difference(*operands: Any, **named: Any) -> Result:
    boolean = any((o.dtype if isinstance(o, Metadata) else _number_dtype(o)) is torch.bool for o in operands)
    return None if boolean else _same(*operands, **named)


def _floating(*operands: Any, **_: Any) -> Result:
    dtype = _promoted(operands)
    return _elementwise(operands, dtype if _category(dtype) >= 2 else torch.get_default_dtype())


def _boolean(*operands: Any, **_: Any) -> Result:
    return _elementwise(operands, torch.bool)


def _unary(self: Metadata, *_: Any, **__: Any) -> Result:
    return _elementwise((self,), self.dtype)


def _unary_floating(self: Metadata, *_: Any, **__: Any) -> Result:
    return _floating(self)


RULES |= dict.fromkeys(("aten::add", "aten::mul", "aten::maximum", "aten::minimum"), _same)
RULES |= dict.fromkeys(("aten::sub", "aten::rsub"), _difference)
RULES |= dict.fromkeys(("aten::eq", "aten::ne", "aten::lt", "aten::le", "aten::gt", "aten::ge"), _boolean)
RULES |= dict.fromkeys(("aten::logical_not", "aten::logical_and", "aten::logical_or", "aten::isnan"), _boolean)
RULES |= dict.fromkeys(
    ("aten::relu", "aten::neg", "aten::gelu", "aten::silu", "aten::hardtanh", "aten::hardswish", "aten::hardsigmoid",
     "aten::leaky_relu", "aten::elu", "aten::softplus", "aten::mish", "aten::bitwise_not",
     "aten::bernoulli"),
    _unary,
)  # fmt: skip
RULES |= dict.fromkeys(
    ("aten::exp", "aten::log", "aten::sqrt", "aten::rsqrt", "aten::sin", "aten::cos", "aten::tanh", "aten::sigmoid",
     "aten::erf", "aten::reciprocal"),
    _unary_floating,
)  # fmt: skip


@_rule("aten::div")
def _div(self: Metadata, other: Any, *, rounding_mode: str | None = None) -> Result:
    return _floating(self, other) if rounding_mode is None else None


@_rule("aten::pow")
def _pow(self: Any, exponent: Any) -> Result:
    return (
        _elementwise((self,), self.dtype)
        if self.dtype.is_floating_point and not isinstance(exponent, Metadata)
        else None
    )


@_rule("aten::clamp")
def _clamp(self: Metadata, *bounds: Any, **named: Any) -> Result:
    numbers = all(bound is None or type(bound) in (int, float) for bound in (*bounds, *named.values()))
    return _elementwise((self,), self.dtype) if numbers and self.dtype.is_floating_point else None


@_rule("aten::clamp_min", "aten::clamp_max")
def _clamp_one(self: Metadata, bound: Any) -> Result:
    return _elementwise((self,), self.dtype) if type(bound) in (int, float) and self.dtype.is_floating_point else None


@_rule("aten::native_dropout")
def _native_dropout(input: Metadata, p: float, train: bool | None) -> Result:
    out = _elementwise((input,), input.dtype)
    return out and (out, out.like(out.shape, out.stride, torch.bool))


@_rule("aten::convolution")
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


@_rule("aten::native_batch_norm")
def _native_batch_norm(
    input: Metadata, weight: Metadata | None, bias: Metadata | None, running_mean: Metadata | None,
    running_var: Metadata | None, training: bool, momentum: float, eps: float,
) -> Result:  # fmt: skip
    channels = input.shape[1]
    given = [t for t in (weight, bias, running_mean, running_var) if t is not None]
    if not input.is_contiguous or any(t.shape != (channels,) or t.dtype != input.dtype for t in given):
        return None
    if input.numel == 0 or input.dtype not in (torch.float32, torch.float64):
        return None
    statistics = input.like((channels if training else 0,))
    return input, statistics, statistics


@_rule("aten::native_layer_norm")
def _native_layer_norm(
    input: Metadata, normalized_shape: list[int], weight: Metadata | None, bias: Metadata | None, eps: float
) -> Result:
    axis = input.ndim - len(normalized_shape)
    if not input.is_contiguous or input.shape[axis:] != tuple(normalized_shape) or input.dtype not in _PLAIN:
        return None
    if any(t is not None and (t.shape != tuple(normalized_shape) or t.dtype != input.dtype) for t in (weight, bias)):
        return None
    statistics = input.like(input.shape[:axis] + (1,) * len(normalized_shape))
    return input, statistics, statistics


_PLAIN = (torch.float32, torch.float64)


@_rule("aten::mm")
def _mm(self: Metadata, mat2: Metadata) -> Result:
    (m, k), (k2, n) = self.shape, mat2.shape
    if k != k2:
        raise Mismatch(f"mat1 and mat2 shapes cannot be multiplied ({m}x{k} and {k2}x{n})")
    return self.like((m, n)) if self.dtype == mat2.dtype else None


@_rule("aten::bmm")
def _bmm(self: Metadata, mat2: Metadata) -> Result:
    (b, m, k), (b2, k2, n) = self.shape, mat2.shape
    return self.like((b, m, n)) if (b, k) == (b2, k2) and self.dtype == mat2.dtype else None


@_rule("aten::_grouped_mm")
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


@_rule("aten::addmm")
def _addmm(self: Metadata, mat1: Metadata, mat2: Metadata, *, beta: Any = 1, alpha: Any = 1) -> Result:
    out = _mm(mat1, mat2)
    fits = out is not None and self.dtype == mat1.dtype and _broadcast(self.shape, out.shape) == out.shape
    return out if fits else None


@_rule("aten::mean", "aten::sum")
def _reduction(self: Metadata, dim: Any = None, keepdim: bool = False, *, dtype: torch.dtype | None = None) -> Result:
    if dtype is not None or not self.dtype.is_floating_point or not self.is_contiguous:
        return None
    if not isinstance(dim, list) or not dim:
        return self.like((1,) * self.ndim if keepdim else ()) if dim is None or dim == [] else None
    axes = {d % self.ndim for d in dim if -self.ndim <= d < self.ndim}
    if len(axes) != len(dim):
        return None
    if keepdim:
        return self.like(tuple(1 if axis in axes else size for axis, size in enumerate(self.shape)))
    return self.like(tuple(size for axis, size in enumerate(self.shape) if axis not in axes))


@_rule("aten::_softmax", "aten::_log_softmax")
def _softmax(self: Metadata, dim: int, half_to_float: bool) -> Result:
    return self if self.is_contiguous and -max(self.ndim, 1) <= dim < max(self.ndim, 1) and not half_to_float else None


@_rule("aten::embedding")
def _embedding(
    weight: Metadata, indices: Metadata, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Result:
    if weight.ndim != 2 or indices.dtype not in (torch.int64, torch.int32):
        return None
    return weight.like((*indices.shape, weight.shape[1]))


@_rule("aten::cat")
def _cat(tensors: list[Metadata], dim: int = 0) -> Result:
    first = tensors[0]
    if not -first.ndim <= dim < first.ndim:
        return None
    dim %= first.ndim
    for t in tensors:
        rest = t.shape[:dim] + t.shape[dim + 1 :]
        if rest != first.shape[:dim] + first.shape[dim + 1 :] or t.dtype != first.dtype or not t.is_contiguous:
            return None
    return first.like((*first.shape[:dim], sum(t.shape[dim] for t in tensors), *first.shape[dim + 1 :]))


@_rule("aten::clone")
def _clone(self: Metadata, *, memory_format: torch.memory_format | None = None) -> Result:
    if memory_format is torch.contiguous_format:
        return self.like(self.shape)
    return self if memory_format in (None, torch.preserve_format) and _dense(self) else None


@_rule("aten::_to_copy")
def _to_copy(self: Metadata, *, dtype: torch.dtype | None = None, memory_format: Any = None, **options: Any) -> Result:
    if (
        memory_format not in (None, torch.preserve_format)
        or not _dense(self)
        or options.get("layout") not in (None, torch.strided)
    ):
        return None
    device = options.get("device") or self.device
    return metadata(self.shape, self.stride, dtype or self.dtype, device)


@_rule("aten::copy_", "aten::fill_", "aten::zero_")
def _overwrite(self: Metadata, *_: Any, **__: Any) -> Result:
    source = _[0] if _ and isinstance(_[0], Metadata) else None
    return self if source is None or _broadcast(self.shape, source.shape) == self.shape else None


def _new(shape: tuple[int, ...], dtype: torch.dtype | None, device: torch.device | None) -> Metadata:
    return metadata(
        tuple(shape), contiguous(tuple(shape)), dtype or torch.get_default_dtype(), device or torch.device("cpu")
    )


@_rule("aten::empty", "aten::zeros", "aten::ones", "aten::rand", "aten::randn")
def _factory(
    size: list[int], *, dtype: torch.dtype | None = None, device: torch.device | None = None, layout: Any = None,
    pin_memory: Any = None, memory_format: Any = None,
) -> Result:  # fmt: skip
    return _new(tuple(size), dtype, device) if memory_format is None and layout in (None, torch.strided) else None


@_rule("aten::max_pool2d_with_indices")
def _max_pool2d(
    self: Metadata, kernel_size: list[int], stride: list[int] | None = None, padding: list[int] | None = None,
    dilation: list[int] | None = None, ceil_mode: bool = False,
) -> Result:  # fmt: skip
    if ceil_mode or self.ndim != 4 or not self.is_contiguous or self.numel == 0:
        return None
    kernel, pads, gaps = ([*v, *v][:2] if len(v) == 1 else v for v in (kernel_size, padding or [0], dilation or [1]))
    steps = ([*stride, *stride][:2] if len(stride) == 1 else stride) if stride else kernel
    if any(2 * p > k for p, k in zip(pads, kernel, strict=True)):
        return None
    sizes = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(self.shape[2:], kernel, steps, pads, gaps, strict=True)
    ]
    if min(sizes) <= 0:
        return None
    out = self.like((*self.shape[:2], *sizes))
    return out, out.like(out.shape, dtype=torch.int64)


@_rule("aten::roll")
def _roll(self: Metadata, shifts: list[int], dims: list[int] | None = None) -> Result:
    return self if self.is_contiguous and dims and all(-self.ndim <= d < self.ndim for d in dims) else None
