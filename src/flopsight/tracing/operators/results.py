"""What an operator returns, without computing it: our rule, else PyTorch's meta kernel, else its fake-tensor mode."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch

from flopsight.errors import InputError
from flopsight.tracing import shapes
from flopsight.tracing.constructs import nested
from flopsight.tracing.constructs.distributed import collective
from flopsight.tracing.metadata import CPU, Metadata, metadata, sizing
from flopsight.tracing.operators import without_dynamo
from flopsight.tracing.operators.operation import OperatorInfo, as_meta, info_of
from flopsight.tracing.operators.overlap import refuse_overlap
from flopsight.tracing.place import needs_values
from flopsight.tracing.values.selections import SELECTIONS


def infer(info: OperatorInfo, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """The results as `Metadata` (and numbers), for arguments with `Metadata` for tensors.

    Raises: NeedsValuesError where a result's shape depends on values, InputError where PyTorch cannot tell it,
    and whatever the operator itself raises for arguments that do not fit.
    """
    if info.packet in nested.STRIDED:
        raise nested.refused()
    if info.dynamic and info.depends_on_values(args, kwargs):
        what = info.packet.partition("::")[2].removeprefix("_local_") + "()"
        raise needs_values(what, selects=info.packet in SELECTIONS)
    if info.target is not None and isinstance(args[info.target], Metadata):
        refuse_overlap(info.packet, args[info.target])
    functional = _without_out(info) if isinstance(kwargs.get("out"), Metadata) else None
    if functional is not None:
        found = _written_to(kwargs["out"], infer(functional, args, {k: v for k, v in kwargs.items() if k != "out"}))
    else:
        found = shapes.result(info.packet, args, kwargs)
    results = _by_meta_kernel(info, args, kwargs) if found is None else found
    if (following := sizing.get()) is None:
        return results
    return following.results(info.packet, info.bound(args, kwargs), results, ruled=found is not None)


def _by_meta_kernel(info: OperatorInfo, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Any:
    """What PyTorch's meta kernel tells, or its fake-tensor mode."""
    device = _device(args, kwargs)
    meta_kwargs = {name: as_meta(value) for name, value in kwargs.items()}
    if meta_kwargs.get("device") is not None:
        meta_kwargs["device"] = torch.device("meta")
    without_dynamo.prepare()
    try:
        with torch._C._DisableTorchDispatch(), torch.no_grad():
            results = info.func(*map(as_meta, args), **meta_kwargs)
    except NotImplementedError:
        if info.packet.startswith("c10d::"):
            return collective(info.func, args)
        return _by_fake_mode(info, args, kwargs, device)
    except RuntimeError as error:
        if "data-dependent shape" not in str(error):  # what torch.library says of an operator that is not tagged so
            raise
        what = info.packet.partition("::")[2] + "()"
        raise needs_values(what, selects=info.packet in SELECTIONS) from error
    if isinstance(kwargs.get("out"), Metadata):
        return _to_metadata(results, device)
    given = info.bound(args, kwargs)
    given = {name: given[name] for name in info.arguments if name in given}
    return shapes.corrected(info.packet, _to_metadata(results, device), given)


_WRITES_C_ARRAYS = {
    "aten::_fft_c2c", "aten::_fft_c2r", "aten::cholesky", "aten::cholesky_solve", "aten::slice_scatter", "aten::stack",
}  # fmt: skip
"""Operators that give `out` another layout than a new result of theirs."""


@cache
def _without_out(info: OperatorInfo) -> OperatorInfo | None:
    """The overload that takes the same arguments but `out`, and returns a new tensor of the same layout."""
    if info.packet in _WRITES_C_ARRAYS:
        return None
    packet = info.func.overloadpacket
    found = (getattr(packet, overload) for overload in packet.overloads())
    wanted = [argument for argument in info.arguments if argument != "out"]
    types = {a.name: str(a.type) for a in info.func._schema.arguments}
    for func in found:
        arguments = func._schema.arguments
        if [a.name for a in arguments] == wanted and all(str(a.type) == types[a.name] for a in arguments):
            return info_of(func)
    return None


def _written_to(out: Metadata, result: Metadata) -> Metadata:
    """The result of an operator that is told where to write: that tensor, which takes another size if need be.

    Raises: RuntimeError, as the operator does, where the tensor cannot hold such values.
    """
    if not torch.can_cast(result.dtype, out.dtype):
        raise RuntimeError(f"result type {result.dtype} can't be cast to the desired output type {out.dtype}")
    return out if out.shape == result.shape else result.like(result.shape, result.stride, out.dtype)


def _tensors(value: Any) -> list[Metadata]:
    if isinstance(value, Metadata):
        return [value]
    return [t for item in value for t in _tensors(item)] if isinstance(value, (list, tuple)) else []


def _device(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> torch.device:
    """Where the result lives: the `device` argument, else the device of the first tensor with dimensions."""
    given = kwargs.get("device")
    if isinstance(given, torch.device):
        return CPU if given.type == "meta" else given
    tensors = _tensors((*args, *kwargs.values()))
    first = next((t for t in tensors if t.shape), tensors[0] if tensors else None)
    return first.device if first is not None else CPU


def _to_metadata(results: Any, device: torch.device) -> Any:
    if isinstance(results, torch.Tensor):
        if results.layout is not torch.strided:
            raise InputError(
                "A run without computing does not follow results that are sparse; pass execute=True to run the model "
                "with real tensors and count the same."
            )
        return metadata(tuple(results.shape), results.stride(), results.dtype, device)
    if isinstance(results, (list, tuple)):
        return [_to_metadata(item, device) for item in results]
    return results


def _by_fake_mode(info: OperatorInfo, args: tuple[Any, ...], kwargs: Mapping[str, Any], device: torch.device) -> Any:
    from torch._subclasses.fake_tensor import (
        DataDependentOutputException,
        DynamicOutputShapeException,
        FakeTensorMode,
        UnsupportedOperatorException,
    )
    from torch.utils._python_dispatch import _disable_current_modes

    mode = FakeTensorMode(allow_non_fake_inputs=True)

    def fake(value: Any) -> Any:
        if isinstance(value, Metadata):
            return torch.empty_strided(value.shape, value.stride, dtype=value.dtype, device=value.device)
        return type(value)(map(fake, value)) if isinstance(value, (list, tuple)) else value

    with _disable_current_modes(), mode, torch.no_grad():
        try:
            results = info.func(*map(fake, args), **{name: fake(value) for name, value in kwargs.items()})
        except (DataDependentOutputException, DynamicOutputShapeException) as error:
            selects = info.packet in SELECTIONS
            raise needs_values(info.packet.partition("::")[2] + "()", selects=selects) from error
        except (UnsupportedOperatorException, NotImplementedError) as error:
            raise InputError(
                f"PyTorch cannot tell the shape that {info.name} returns without running it: register one with "
                "torch.library.register_fake, or pass execute=True to run the model with real tensors."
            ) from error
    return _to_metadata(results, device)
