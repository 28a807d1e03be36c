"""Tensors for the inputs of a run: fake ones, or real ones where the run is real, one for each object given."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from flopsight.errors import InputError
from flopsight.tracing.constructs.distributed import distributed_tensor
from flopsight.tracing.constructs.nested import packed, with_values
from flopsight.tracing.fake import has_values, make, metadata_of
from flopsight.tracing.given.inputs import Spec, fill_once, tensors_in
from flopsight.tracing.given.signature import Signature
from flopsight.tracing.metadata import CPU, Metadata, contiguous, metadata
from flopsight.tracing.modules import Modules
from flopsight.tracing.operators.one_device import stand_in
from flopsight.tracing.values.assumed import Assumed
from flopsight.tracing.values.deferred import ASKED_ELEMENTS, Step, defer


def given_tensors(
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    modules: Modules,
    signature: Signature,
    say: Callable[[str], None],
    *,
    execute: bool,
    at_once: bool,
) -> tuple[Any, Any]:
    """Arguments with a tensor for each `Spec` and tensor, of the dtype and on the device of the model's parameters.

    say: is told what is assumed of the values of integers given by shape: when something asks for them, or `at_once`.
    Raises: InputError where a real run is asked for and there are no values.
    """
    for tensor in tensors_in((args, kwargs)):
        if tensor.is_nested:
            packed(tensor)  # raises
    if execute:
        _refuse_valueless(modules, (args, kwargs))
    maker = _Maker(modules, Assumed(modules, args, kwargs, signature, say), at_once=at_once)
    filled: tuple[Any, Any] = fill_once((args, kwargs), maker.real if execute else maker.fake)
    return filled


def _refuse_valueless(modules: Modules, given: Any) -> None:
    for what, tensors in (("The model's parameters", modules.parameters()), ("The inputs", tensors_in(given))):
        empty = next((tensor for tensor in tensors if not has_values(tensor)), None)
        if empty is not None:
            where = "on the meta device" if empty.is_meta else "fake tensors of PyTorch's FakeTensorMode"
            raise InputError(f"{what} are {where} and have no values; execute=True needs real ones.")


def _made_a_leaf(of: Metadata) -> torch.Tensor:
    """A view that was told to require a gradient, of memory that does not: its own views require none with gradients
    off.
    """
    return stand_in(make(of)).requires_grad_()


class _Maker:
    """Makes a tensor for each input: of the dtype and on the device of the model's parameters."""

    def __init__(self, modules: Modules, assumed: Assumed, *, at_once: bool) -> None:
        first = next((p for p in modules.parameters() if p.is_floating_point()), None)
        self.dtype = first.dtype if first is not None and first.dtype.itemsize > 1 else torch.get_default_dtype()
        self.device = next((p.device for p in modules.parameters() if not p.is_meta), CPU)
        self.held = modules.held
        self.distributed = distributed_tensor()
        self.assumed = assumed
        self.at_once = at_once
        there = (p for p in modules.parameters() if p.device == self.device and has_values(p))
        elsewhere = self.device.type != "cpu" and next(there, None) is None
        self.only_fake = elsewhere  # PyTorch's fake tensors may be on a device that this machine does not have

    def fake(self, given: Any) -> Any:
        """A tensor without values, but for integers and masks, as they may decide what runs."""
        if isinstance(given, Spec):
            values = None if self.only_fake else self.assumed.values(given, self.device)
            meta = metadata(given.shape, contiguous(given.shape), given.dtype or self.dtype, self.device)
            if values is None or (self.at_once and meta.numel > ASKED_ELEMENTS):
                return make(meta)
            return values() if self.at_once else defer(Step(values, elements=meta.numel), meta)
        if given.is_nested:
            return with_values(given, self.fake(packed(given).detach()), requires_grad=given.requires_grad)
        if given.layout is not torch.strided or id(given) in self.held or type(given) is self.distributed:
            return given
        if has_values(given) and not given.is_floating_point() and not given.is_complex():
            return given
        if has_values(given) and self.assumed.is_mask(given) and not given.requires_grad:
            return defer(Step(given.clone, elements=given.numel()), metadata_of(given))
        if given.requires_grad and given.is_leaf and given._is_view():
            return _made_a_leaf(metadata_of(given))
        return make(metadata_of(given), requires_grad=given.requires_grad)

    def real(self, given: Any) -> Any:
        """The tensor given, or one of numbers between 0 and 1, of zeros if nothing tells which integers to take."""
        if not isinstance(given, Spec):
            return given
        values = self.assumed.values(given, self.device)
        if values is not None:
            return values()
        dtype = given.dtype or self.dtype
        if dtype.is_floating_point and dtype.itemsize > 1:
            return torch.rand(given.shape, generator=torch.Generator().manual_seed(0), device="cpu").to(
                self.device, dtype
            )
        return torch.zeros(given.shape, dtype=dtype, device=self.device)
