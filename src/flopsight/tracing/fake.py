"""Fake tensors: metadata without storage.

`Fake` is a tensor that has nothing but its `Metadata`. It is a PyTorch `FakeTensor` in type, because libraries ask
`isinstance(x, FakeTensor)` before they look at values, but it is made without a `FakeTensorMode`: ten times faster, and
without the import of `torch._dynamo` (a second) that the mode needs.
"""

from __future__ import annotations

from typing import Any, NoReturn

import torch
from torch._subclasses.fake_tensor import FakeTensor

from flopsight.cost import TensorSpec
from flopsight.errors import InputError, NeedsValuesError
from flopsight.tracing.constructs import nested
from flopsight.tracing.constructs.grad_mode import AsksAutograd
from flopsight.tracing.metadata import CPU, INTERNED, Metadata, dtype_name, metadata, sizing
from flopsight.tracing.place import active, called_by, current_place, needs_values


def metadata_of(tensor: torch.Tensor) -> Metadata:
    """The metadata of any tensor; of a sparse one with the number of stored elements and strides as if dense, of a
    nested one that of what it holds.
    """
    if type(tensor) is Fake:
        found = tensor.metadata
        if found is None:
            shape = _told_by_number(tensor)
            found = tensor.metadata = metadata(shape, tensor.stride(), tensor.dtype, tensor.device)
        return found
    if tensor.is_nested:
        return metadata_of(nested.packed(tensor))
    if tensor.layout is torch.strided:
        key = (_SHAPE.__get__(tensor), tensor.stride(), tensor.dtype, tensor.device)
        found = INTERNED.get(key) if sizing.get() is None else None
        return found or metadata(_told_by_number(tensor), *key[1:])
    shape = tuple(tensor.shape)
    sparse = Metadata(shape, None, tensor.dtype, CPU if tensor.is_meta else tensor.device)
    sparse.spec = TensorSpec(shape, dtype_name(tensor.dtype), _stored(tensor))
    sparse.specs = (sparse.spec,)
    return sparse


def _told_by_number(tensor: torch.Tensor) -> tuple[int, ...]:
    """The sizes that PyTorch tells of a tensor; of one that is no parameter, by name where that is known."""
    following, shape = sizing.get(), tuple(_SHAPE.__get__(tensor))
    return shape if following is None or isinstance(tensor, torch.nn.Parameter) else following.real(shape)


def has_values(tensor: torch.Tensor) -> bool:
    """Whether a tensor has values: it is neither a stand-in, ours or PyTorch's, nor on the meta device."""
    return not isinstance(tensor, (FakeTensor, AsksAutograd)) and not tensor.is_meta


def storage_key(tensor: torch.Tensor) -> int | None:
    """The same number for all tensors that share memory; None for a tensor that is not plain memory."""
    try:
        return int(tensor.untyped_storage()._cdata)
    except (NotImplementedError, RuntimeError):
        return None


def _stored(tensor: torch.Tensor) -> int | None:
    try:
        return int(tensor._values().numel() if tensor.layout is torch.sparse_coo else tensor.values().numel())
    except (RuntimeError, NotImplementedError, AttributeError):
        return None


class Fake(AsksAutograd, FakeTensor):
    """A tensor with metadata and no storage. Only flopsight's dispatch mode can operate on it."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    device = torch.Tensor.device
    fake_device = torch.Tensor.device
    metadata: Metadata | None = None

    # what PyTorch reads of a FakeTensor made by its own mode
    _fake_device = torch.Tensor.device
    constant = None
    real_tensor = None
    pytype = None
    dispatch_keys = None
    _nonzero_memo = None
    _item_memo = None
    _unique_memo = None
    _unique_consecutive_memo = None
    _nested_int_memo = None

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> NoReturn:
        raise NeedsValuesError(
            f"{func} was called on a stand-in tensor after the profile that made it had ended, or in a thread that had "
            "begun before it; a tensor that leaves flopsight.profile has no values (execute=True gives it some)."
        )

    @property
    def data(self) -> torch.Tensor:
        """The tensor without its history, as of any tensor."""
        return torch.Tensor.data.__get__(self)  # type: ignore[attr-defined,no-any-return]

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        with torch._C._DisableTorchDispatch():
            torch.Tensor.data.__set__(self, value if type(value) is Fake else make(metadata_of(value)))  # type: ignore[attr-defined]
        self.metadata = metadata_of(value)

    @property
    def fake_mode(self) -> Any:  # type: ignore[override]
        """PyTorch's own fake-tensor mode, for code that wants to make more tensors like this one.

        Raises: InputError where that is a trace into a graph (`make_fx`, `torch.func.linearize`).
        """
        if called_by("torch/fx/experimental/proxy_tensor.py"):
            raise InputError(
                f"{current_place()} traces its operators into a graph (make_fx, or torch.func.linearize, which uses "
                "it), and a run without computing cannot be traced so; pass execute=True to run it with real tensors."
            )
        from torch._subclasses.fake_tensor import FakeTensorMode

        mode = FakeTensorMode(allow_non_fake_inputs=True)
        self.__dict__["fake_mode"] = mode
        return mode

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return f"tensor(without values, {metadata_of(self)})"

    def __format__(self, _: str) -> str:
        return repr(self)

    def __setitem__(self, index: Any, value: Any) -> None:
        run = active()
        if run is None or run.assigns is None or not run.assigns(self, index, value):
            torch.Tensor.__setitem__(self, index, value)

    def storage_offset(self) -> int:
        """0, as of a tensor that is no view: there is no memory to begin in. The profile notes who asked."""
        run = active()
        if run is not None and run.dispatcher is not None:
            run.dispatcher.ledger.assume(f"{current_place()} asks for a storage_offset(): taken as 0, as of no view.")
        return 0

    def tolist(self) -> NoReturn:
        """Raises: NeedsValuesError."""
        raise needs_values("tolist()")

    def numpy(self, *, force: bool = False) -> NoReturn:
        """Raises: NeedsValuesError."""
        raise needs_values("numpy()")

    def __array__(self, dtype: Any = None, copy: Any = None) -> NoReturn:
        raise needs_values("a conversion to a NumPy array")


_SHAPE: Any = torch.Tensor.shape
_TENSOR: Any = torch.Tensor  # not every version has types for it
_make = _TENSOR._make_wrapper_subclass


def make(of: Metadata, *, requires_grad: bool = False) -> Fake:
    """A new fake tensor."""
    tensor: Fake
    if of.is_contiguous and not requires_grad:
        if of.device == CPU and of.dtype is torch.get_default_dtype():
            tensor = _make(Fake, of.shape)  # the defaults, which take time to say
        else:
            tensor = _make(Fake, of.shape, dtype=of.dtype, device=of.device)
    else:
        tensor = _make(Fake, of.shape, strides=of.stride, dtype=of.dtype, device=of.device, requires_grad=requires_grad)
    tensor.metadata = of
    return tensor


def fakes_of(results: Any) -> Any:
    """A new fake tensor for each metadata, in lists and tuples too."""
    if isinstance(results, Metadata):
        return make(results)
    return [fakes_of(item) for item in results] if isinstance(results, (list, tuple)) else results


def metadata_in(value: Any) -> Any:
    """Metadata for each tensor, in lists and tuples too."""
    kind = type(value)
    if kind is Fake:
        return value.metadata or metadata_of(value)
    if kind is int or kind is bool or value is None or (kind is list and value and type(value[0]) is int):
        return value
    if isinstance(value, torch.Tensor):
        return metadata_of(value)
    return kind(map(metadata_in, value)) if isinstance(value, (list, tuple)) else value
