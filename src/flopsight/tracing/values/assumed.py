"""Values for integer inputs given by shape: a model may ask them for a maximum, a length or a mask.

Floating-point inputs have none: what they decide depends on the data, and is refused without real execution.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import cached_property, partial
from typing import Any

import torch
from torch import nn

from flopsight.tracing.given.inputs import Spec, tensors_in
from flopsight.tracing.given.signature import Signature
from flopsight.tracing.modules import Modules


class Assumed:
    """Chooses values by the argument's name, and ids below the size of the model's embeddings.

    say: is told what was assumed, in a sentence for each argument, when its values are made.
    """

    def __init__(
        self,
        modules: Modules,
        args: tuple[Any, ...],
        kwargs: dict[str, Any],
        signature: Signature,
        say: Callable[[str], None],
    ) -> None:
        self._args, self._kwargs, self._signature = args, kwargs, signature
        self._say = say
        self._modules = modules

    @cached_property
    def _named(self) -> list[tuple[str, Any]]:
        """The arguments by name."""
        return [(self._signature.name(at), value) for at, value in enumerate(self._args)] + list(self._kwargs.items())

    @cached_property
    def _names(self) -> dict[int, str]:
        """The names of the specs, by `id`."""
        return {id(spec): name for top, value in self._named for name, spec in specs_in(value, top)}

    def is_mask(self, tensor: torch.Tensor) -> bool:
        """Whether a tensor is given as a mask: layers look at its values, to see whether it is causal."""
        masks = (value for name, value in self._named if "mask" in name.lower())
        return any(tensor is each for value in masks for each in tensors_in(value))

    def values(self, spec: Spec, device: torch.device) -> Callable[[], torch.Tensor] | None:
        """What makes a tensor of integers or truth values for `spec`; None where there is nothing to go by."""
        dtype = spec.dtype
        if not _is_integer(dtype):
            return None
        found = self._chosen(self._names[id(spec)].lower(), spec.shape, boolean=dtype is torch.bool)
        if found is None or 0 in spec.shape:
            return None
        value, what = found
        sentence = f"The argument {self._names[id(spec)]!r} {what}."

        def values() -> torch.Tensor:
            self._say(sentence)
            if isinstance(value, int):
                return torch.full(spec.shape, value, dtype=dtype, device=device)
            return value().to(dtype=dtype, device=device)

        return values

    def _chosen(
        self, name: str, shape: tuple[int, ...], *, boolean: bool
    ) -> tuple[int | Callable[[], torch.Tensor], str] | None:
        if "padding" in name:
            return 0, "marks no padding"
        if boolean or "mask" in name:
            return 1, "is true everywhere" if boolean else "is a mask of ones"
        if "position" in name and shape:
            return partial(_counting, shape), f"counts up from 0 to {shape[-1] - 1}"
        if "label" in name or "target" in name or "type" in name or "segment" in name:
            return 0, "is zero everywhere"
        if "length" in name:
            return self._length(name, shape)
        embeddings = [m for m in self._modules.all() if isinstance(m, (nn.Embedding, nn.EmbeddingBag))]
        vocabulary = min((m.num_embeddings for m in embeddings), default=0)
        if not vocabulary:
            return None
        padding = max((m.padding_idx for m in embeddings if m.padding_idx is not None), default=-1)
        first = padding + 1 if padding + 1 < vocabulary else 0
        what = f"holds ids from {first} to {vocabulary - 1}, below the size of every embedding"
        return partial(_ids, shape, first, vocabulary), what

    def _length(self, name: str, shape: tuple[int, ...]) -> tuple[int, str] | None:
        """The full length of the sequences that are given beside (`targets` for `target_lengths`): no padding."""
        whose = name.partition("_len")[0]
        shapes = [(named, tuple(item.shape)) for named, value in self._named for item in _all_given(value)]
        namesakes = [other for named, other in shapes if named.startswith(whose) and named != name]
        for other in namesakes or [other for _, other in shapes]:
            if len(other) > 1 and len(shape) == 1 and shape[0] in other[:2]:
                length = other[1] if other[0] == shape[0] else other[0]
                return length, f"is {length} everywhere, the full length of a sequence"
        return None


def assumes(given: Any) -> bool:
    """Whether integers or truth values are given by shape."""
    return any(_is_integer(spec.dtype) for _, spec in specs_in(given, ""))


def _is_integer(dtype: torch.dtype | None) -> bool:
    return dtype is not None and not (dtype.is_floating_point or dtype.is_complex or dtype in _QUANTIZED)


def _counting(shape: tuple[int, ...]) -> torch.Tensor:
    return torch.arange(shape[-1], device="cpu").expand(shape).contiguous()


def _ids(shape: tuple[int, ...], first: int, end: int) -> torch.Tensor:
    count = torch.arange(torch.Size(shape).numel(), device="cpu")
    return count.remainder(end - first).add(first).view(shape)


_QUANTIZED = (torch.quint8, torch.qint8, torch.qint32, torch.quint4x2, torch.quint2x4)


def specs_in(value: Any, name: str) -> Iterator[tuple[str, Spec]]:
    """The specs in an argument, by the key of a dict that holds them, else by the argument's name."""
    if isinstance(value, Spec):
        yield name, value
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from specs_in(item, str(key))
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from specs_in(item, name)


def _all_given(value: Any) -> list[Spec | torch.Tensor]:
    return [*(spec for _, spec in specs_in(value, "")), *tensors_in(value)]
