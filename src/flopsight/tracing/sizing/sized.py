"""Which sizes of an operator's results are which, where those of its arguments have names.

Operators tell sizes as numbers. A result's size that no shape rule of ours worked out is found among what an operator
of its kind makes of the sizes of its arguments; the number has to be the same. What was found wrongly is found out: a
formula is held to runs at other sizes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import product as pairs
from typing import Any

from flopsight.cost import product
from flopsight.sizes import Size
from flopsight.tracing.metadata import Metadata

Shape = tuple[int, ...]


def is_named(shape: Shape) -> bool:
    """Whether a size among them has a name in it."""
    return any(isinstance(size, Size) for size in shape)


def only(sizes: Sequence[Size], number: int) -> Size | None:
    """The size of that number; None where there is none, or where several are that number by chance."""
    found = {size.poly: size for size in sizes if int(size) == number}
    return next(iter(found.values())) if len(found) == 1 else None


def spans(shape: Shape) -> Iterator[Size]:
    """The products of neighbouring sizes, and the sizes, with a name in them."""
    for first in range(len(shape)):
        for last in range(first + 1, len(shape) + 1):
            if isinstance(span := product(shape[first:last]), Size):
                yield span


def metas_in(value: Any) -> Iterator[Metadata]:
    """The metadata in arguments, lists opened."""
    if isinstance(value, Metadata):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from metas_in(item)


def numbers_in(value: Any) -> Iterator[int]:
    """The integers in arguments, lists opened, and how many tensors each list holds."""
    if isinstance(value, int):
        yield value
    elif isinstance(value, (list, tuple)):
        if value and isinstance(value[0], Metadata):
            yield len(value)
        for item in value:
            yield from numbers_in(item)


def dims(
    packet: str,
    given: Mapping[str, Any],
    shape: Shape,
    *,
    known: Callable[[int], int],
    asked: Sequence[Size],
    ruled: bool,
) -> Shape:
    """The shape of a result, with names where they are found.

    known: the named size of a number, or the number. asked: those that the code handed to PyTorch in this call.
    ruled: a shape rule of ours made it, of the sizes of the arguments and the numbers among them.
    """
    if all(isinstance(size, Size) for size in shape):
        return shape
    inputs = [meta.shape for value in given.values() for meta in metas_in(value)]
    numbers = set(numbers_in(tuple(given.values())))

    def handed(size: int) -> int:
        if (size in numbers or size >= LEAST) and (found := only(asked, size)) is not None:
            return found
        return known(size) if size in numbers else size

    shape = tuple(size if isinstance(size, Size) else handed(size) for size in shape)
    if not any(map(is_named, inputs)):
        return shape
    rule = _RULES.get(packet)
    if rule is not None and (told := _told(rule(given, shape), shape)) is not shape:
        return told
    return tuple(
        size if ruled or isinstance(size, Size) else _found(size, at, len(shape), inputs, asked)
        for at, size in enumerate(shape)
    )


def _told(told: Any, shape: Shape) -> Shape:
    """What a rule tells, as far as the numbers are right."""
    if told is None or len(told) != len(shape):
        return shape
    return tuple(new if int(new) == int(old) else old for new, old in zip(told, shape, strict=True))


def _found(size: int, at: int, ndim: int, inputs: list[Shape], asked: Sequence[Size]) -> int:
    """A size of the same number: in the same place, in any; else a multiple or a neighbour of one.

    A number that an argument has for a size, and that is no named one's, stays a number.
    """
    for shape in inputs:
        for place in (at, at - ndim):
            if -len(shape) <= place < len(shape) and isinstance(shape[place], Size) and int(shape[place]) == size:
                return shape[place]
    candidates = [each for shape in inputs for each in shape if isinstance(each, Size)]
    for each in candidates:
        if int(each) == size:
            return each
    for each in candidates:
        added = [more for more in asked if more.poly.names() <= each.poly.names()]
        if (more := only(added, size - int(each))) is not None:
            return each + more
    if size < LEAST or any(each == size for shape in inputs for each in shape):
        return size
    for each in candidates:
        if int(each) > 1 and size % int(each) == 0:
            return each * (size // int(each))
    for a, b in pairs(candidates, candidates):
        if int(a) * int(b) > 1 and size % (int(a) * int(b)) == 0:
            return a * b * (size // (int(a) * int(b)))
    for each in candidates:
        if abs(size - int(each)) <= _NEAR:
            return each + (size - int(each))
    return size


LEAST = 50
"""Numbers below are not taken for a size by themselves: too many of them are around."""
_NEAR = 8


def _each(value: Any, ndim: int) -> list[int]:
    """A setting of a window, for each of its dimensions."""
    values = list(value) if isinstance(value, (list, tuple)) else [value]
    return values * ndim if len(values) == 1 else values


def _slid(size: int, kernel: int, stride: int, padding: int, dilation: int, *, ceil: bool = False) -> int:
    """How often a window fits."""
    reach = size + 2 * padding - dilation * (kernel - 1) - 1
    if not ceil:
        return reach // stride + 1
    fits = (reach + stride - 1) // stride + 1
    return fits - ((int(fits) - 1) * stride >= int(size) + padding)


def _convolution(given: Mapping[str, Any], shape: Shape) -> Shape:
    of, weight = given["input"].shape, given["weight"].shape
    ndim = len(weight) - 2
    settings = [_each(given[name], ndim) for name in ("stride", "padding", "dilation", "output_padding")]
    spatial = []
    for size, kernel, stride, padding, dilation, extra in zip(of[-ndim:], weight[2:], *settings, strict=True):
        if given["transposed"]:
            spatial.append((size - 1) * stride - 2 * padding + dilation * (kernel - 1) + extra + 1)
        else:
            spatial.append(_slid(size, kernel, stride, padding, dilation))
    return (*of[:-ndim][:1], shape[1], *spatial)


def _pool(given: Mapping[str, Any], shape: Shape) -> Shape:
    of = given["self"].shape
    ndim = max(1, len(shape) - 2)
    kernel = _each(given["kernel_size"], ndim)
    stride = _each(given.get("stride") or kernel, ndim)
    padding, dilation = _each(given.get("padding", 0), ndim), _each(given.get("dilation", 1), ndim)
    windows = zip(of[-ndim:], kernel, stride, padding, dilation, strict=True)
    return (*of[:-ndim], *(_slid(*window, ceil=bool(given.get("ceil_mode"))) for window in windows))


def _padded(given: Mapping[str, Any], shape: Shape) -> Shape:
    of, pad = given["self"].shape, given["pad"]
    out = list(of)
    for at in range(len(pad) // 2):
        out[-1 - at] = out[-1 - at] + pad[2 * at] + pad[2 * at + 1]
    return tuple(out)


def _viewed(given: Mapping[str, Any], shape: Shape) -> Shape:
    """Runs of dimensions whose elements are as many as before: one dimension of a run is what the others leave."""
    told = given.get("size", given.get("shape"))
    if told is not None and len(told) == len(shape):
        shape = tuple(a if isinstance(a, Size) else b for a, b in zip(told, shape, strict=True))
    old, new = list(given["self"].shape), list(shape)
    out: list[int] = []
    while old and new:
        before, after = [old.pop(0)], [new.pop(0)]
        while (a := product(map(int, before))) != (b := product(map(int, after))):
            if a < b and old:
                before.append(old.pop(0))
            elif b < a and new:
                after.append(new.pop(0))
            else:
                return shape
        out += _split(before, after)
    return tuple(out + new)


def _split(before: list[int], after: list[int]) -> list[int]:
    whole = product(before)
    if not isinstance(whole, Size):
        return after
    left = list(before)
    named: list[int] = []
    for size in after:
        same = next((each for each in left if isinstance(each, Size) and int(each) == int(size)), None)
        if same is not None and not isinstance(size, Size):
            left.remove(same)
            size = same
        named.append(size)
    if _same(product(named), whole):
        return named
    for at in sorted(range(len(named)), key=lambda at: isinstance(named[at], Size)):
        rest = product(size for place, size in enumerate(named) if place != at)
        lone = whole // rest
        if int(lone) == int(named[at]) and _same(rest * lone, whole):
            return [*named[:at], lone, *named[at + 1 :]]
    return named


def _same(a: int, b: int) -> bool:
    return isinstance(a, Size) and isinstance(b, Size) and a.poly == b.poly


_RULES: dict[str, Callable[[Mapping[str, Any], Shape], Any]] = {
    "aten::convolution": _convolution,
    "aten::_convolution": _convolution,
    **{f"aten::{kind}_pool{n}d": _pool for kind in ("max", "avg") for n in (1, 2, 3)},
    **{f"aten::max_pool{n}d_with_indices": _pool for n in (2, 3)},
    "aten::constant_pad_nd": _padded,
    **{
        f"aten::{name}": _viewed
        for name in ("view", "reshape", "_unsafe_view", "flatten", "unflatten", "view_copy", "_reshape_alias")
    },
}
