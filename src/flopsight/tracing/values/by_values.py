"""Operators on fake tensors whose results depend on the values of a constant (masks, lengths), or hardly on any."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch

from flopsight.tracing.fake import has_values, make, metadata_of
from flopsight.tracing.memo import FOLDED_ELEMENTS
from flopsight.tracing.place import active, caller, needs_values
from flopsight.tracing.shapes import corrected


def _has_values(tensor: Any) -> bool:
    return isinstance(tensor, torch.Tensor) and has_values(tensor)


_taken_for: ContextVar[Any] = ContextVar("taken_for", default=None)


@contextmanager
def taken_for(value: Any) -> Iterator[None]:
    """Inside, a stand-in whose value is asked for has this one: for checks that only refuse, or let pass."""
    token = _taken_for.set(value)
    try:
        yield
    finally:
        _taken_for.reset(token)


_CHECKS = {
    ("distributions/constraints.py", "check"),
    ("distributions/distribution.py", "__init__"),
    ("distributions/distribution.py", "_validate_sample"),
    ("__init__.py", "_assert"),
    ("__init__.py", "_check_tensor_all_with"),
}
"""PyTorch's functions that ask whether something holds, and refuse what does not: file and name."""


def _local_scalar_dense(self: torch.Tensor) -> Any:
    value = _taken_for.get()
    if value is not None:
        return value
    if self.dtype is torch.bool and caller() in _CHECKS:
        return True
    run = active()
    if getattr(run, "optimizing", 0) and self.is_floating_point():  # it scales by it; what it does is the same
        run.dispatcher.ledger.assume("The optimizer asks for values, which are taken as 1.")
        return 1.0
    raise needs_values("its value")


def _pack_padded_sequence(input: torch.Tensor, lengths: torch.Tensor, batch_first: bool) -> Any:
    """Steps that are not padding, and how many sequences are that long, step by step."""
    if not _has_values(lengths):
        return None
    each: list[int] = lengths.tolist()
    sizes = [sum(length > step for length in each) for step in range(max(each, default=0))]
    meta = metadata_of(input)
    data = make(meta.like((sum(sizes), *meta.shape[2:])))
    with torch._C._DisableTorchDispatch():
        return data, torch.tensor(sizes, dtype=torch.int64)


def is_mask(index: torch.Tensor) -> bool:
    """Whether an index is a mask, rather than positions."""
    return index.dtype in (torch.bool, torch.uint8)


def _index(self: torch.Tensor, indices: list[torch.Tensor | None]) -> Any:
    """Each constant mask becomes the positions where it holds."""
    masks = [i for i in indices if i is not None and is_mask(i)]
    if not masks or not all(map(_has_values, masks)):
        return None
    return indexed(self, indices, lambda mask: [positions.to("meta") for positions in mask.nonzero().unbind(1)])


def indexed(
    self: torch.Tensor, indices: list[torch.Tensor | None], positions: Callable[[torch.Tensor], list[torch.Tensor]]
) -> Any:
    """The result of indexing, with the positions of each mask, one tensor on the meta device for each dimension."""
    meta = metadata_of(self)
    opened: list[Any] = []
    with torch._C._DisableTorchDispatch():
        for index in indices:
            if index is not None and is_mask(index):
                opened += positions(index)
            else:
                opened.append(None if index is None else torch.empty(index.shape, dtype=index.dtype, device="meta"))
        source = torch.empty_strided(meta.shape, meta.stride, dtype=meta.dtype, device="meta")
        out = torch.ops.aten.index.Tensor(source, opened)
    return make(meta.like(tuple(out.shape), out.stride()))


def _masked_select(self: torch.Tensor, mask: torch.Tensor) -> Any:
    if not _has_values(mask):
        return None
    meta = metadata_of(self)
    with torch._C._DisableTorchDispatch():
        chosen = int(mask.expand(torch.broadcast_shapes(mask.shape, meta.shape)).sum())
    return make(meta.like((chosen,)))


def _ctc_loss(
    log_probs: torch.Tensor, targets: torch.Tensor, input_lengths: Any, target_lengths: Any, *_: Any, **__: Any
) -> Any:
    """The loss of each sequence, and a table of a row for each step and a column for each label and the gaps around."""
    if log_probs.ndim != 3 or (isinstance(target_lengths, torch.Tensor) and not _has_values(target_lengths)):
        return None
    lengths = target_lengths.tolist() if isinstance(target_lengths, torch.Tensor) else target_lengths
    meta = metadata_of(log_probs)
    steps, batch, _classes = meta.shape
    return make(meta.like((batch,))), make(meta.like((batch, steps, 2 * max(lengths, default=0) + 1)))


def _linalg_lstsq(self: torch.Tensor, b: torch.Tensor, rcond: Any = None, *, driver: str | None = None) -> Any:
    """Solution, residuals, rank and singular values; the rank, which residuals depend on, is taken to be full."""
    meta, right = metadata_of(self), metadata_of(b)
    *batch, rows, columns = meta.shape
    vector = right.ndim == 1 or right.shape == meta.shape[:-1]
    if not vector and right.shape[-2] != rows:
        return None
    driver = driver or ("gelsy" if meta.device_type == "cpu" else "gels")
    both = torch.broadcast_shapes(tuple(batch), right.shape[: -1 if vector else -2])
    last = () if vector else right.shape[-1:]
    real = torch.empty((), dtype=meta.dtype, device="meta").abs().dtype
    tells_rank, has_values = driver != "gels", driver in ("gelsd", "gelss")
    residuals = (*both, *(last or (1,))) if rows > columns and driver != "gelsy" else (0,)
    return (
        make(meta.like((*both, columns, *last))),
        make(meta.like(residuals, dtype=real)),
        make(meta.like(tuple(batch) if tells_rank else (0,), dtype=torch.int64)),
        make(meta.like((*batch, min(rows, columns)) if has_values else (0,), dtype=real)),
    )


def _filled(operator: Any, *, floats: bool = True) -> Callable[..., Any]:
    """Of a small tensor that is all of one value, whatever the one holds that it is made like: itself.

    floats: also where it is of floating point, which few ask for values, and which then are all computed.
    """
    packet = operator.name().partition(".")[0]

    def filled(self: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        meta = metadata_of(self)
        device = kwargs.get("device") or meta.device
        with torch._C._DisableTorchDispatch():
            like = torch.empty_strided(meta.shape, meta.stride, dtype=meta.dtype, device="meta")
            made = operator(like, *args, **{**kwargs, "device": "meta"})
            if not floats and made.is_floating_point():
                return None
            if made.numel() > FOLDED_ELEMENTS or device.type not in ("cpu", "meta"):
                return None
            made = operator(like, *args, **{**kwargs, "device": torch.device("cpu")})
            strides = corrected(packet, metadata_of(made), {"self": meta, **kwargs}).stride
            if strides == made.stride():
                return made
            return torch.empty_strided(made.shape, strides, dtype=made.dtype).copy_(made)

    return filled


BY_VALUES: dict[str, Callable[..., Any]] = {
    "aten::_ctc_loss": _ctc_loss,
    "aten::_local_scalar_dense": _local_scalar_dense,
    "aten::_pack_padded_sequence": _pack_padded_sequence,
    "aten::index": _index,
    "aten::linalg_lstsq": _linalg_lstsq,
    "aten::masked_select": _masked_select,
    "aten::full_like": _filled(torch.ops.aten.full_like.default),
    "aten::new_full": _filled(torch.ops.aten.new_full.default),
    "aten::new_ones": _filled(torch.ops.aten.new_ones.default),
    "aten::new_zeros": _filled(torch.ops.aten.new_zeros.default, floats=False),
    "aten::ones_like": _filled(torch.ops.aten.ones_like.default),
    "aten::zeros_like": _filled(torch.ops.aten.zeros_like.default),
}
"""By operator: a function of its arguments that gives the results, or None where it takes no constants."""

ASKING = {"aten::_ctc_loss", "aten::_ctc_loss.Tensor", "aten::_pack_padded_sequence"}
"""Operators that look at values though PyTorch does not say so."""
