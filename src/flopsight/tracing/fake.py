"""Fake tensors: metadata without storage.

`Metadata` is interned, so that one object stands for one (shape, strides, dtype, device) and can be compared by
identity. `Fake` is a tensor that has nothing else. It is a PyTorch `FakeTensor` in type, because libraries ask
`isinstance(x, FakeTensor)` before they look at values, but it is made without a `FakeTensorMode`: ten times faster, and
without the import of `torch._dynamo` (a second) that the mode needs.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextvars import ContextVar
from typing import Any, NoReturn, Protocol

import torch
from torch._subclasses.fake_tensor import FakeTensor

from flopsight.cost import TensorSpec, product
from flopsight.errors import InputError, NeedsValuesError
from flopsight.tracing.constructs import nested
from flopsight.tracing.constructs.grad_mode import AsksAutograd
from flopsight.tracing.place import active, called_by, current_place, needs_values

CPU = torch.device("cpu")


class Metadata:
    """What is known of a tensor without its values. Make one with `metadata`; equal ones are the same object.

    c_array: whether it is contiguous, where that is known already. specs: its `spec`, in a tuple.
    """

    __slots__ = ("c_array", "device", "dtype", "ndim", "numel", "shape", "spec", "specs", "stride")

    def __init__(
        self, shape: tuple[int, ...], stride: tuple[int, ...], dtype: torch.dtype, device: torch.device
    ) -> None:
        self.shape = shape
        self.stride = stride
        self.dtype = dtype
        self.device = device
        self.ndim = len(shape)
        self.numel = product(shape)
        self.spec = TensorSpec(shape, _dtype_names.get(dtype) or dtype_name(dtype))
        self.specs = (self.spec,)
        self.c_array: bool | None = None

    @property
    def is_contiguous(self) -> bool:
        """Whether the strides are those of a C array."""
        if self.c_array is None:
            self.c_array = self.stride == contiguous(self.shape)
        return self.c_array

    def like(
        self, shape: tuple[int, ...], stride: tuple[int, ...] | None = None, dtype: torch.dtype | None = None
    ) -> Metadata:
        """The metadata of another tensor on the same device; contiguous unless strides are given."""
        return metadata(shape, stride, dtype or self.dtype, self.device)

    def __repr__(self) -> str:
        return f"{self.spec.dtype}{list(self.shape)}"


class Sizing(Protocol):
    """What follows named sizes through a run."""

    memo: dict[tuple[Any, ...], Any]

    def shape(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The same sizes, each remembered."""

    def real(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """The sizes of a tensor that was computed, which has numbers: the sizes known by these numbers."""

    def arguments(self, given: Mapping[str, Any]) -> dict[str, Any]:
        """The arguments of an operator, with names for the numbers among them that are sizes."""

    def results(self, packet: str, given: Mapping[str, Any], results: Any, *, ruled: bool) -> Any:
        """The results of an operator, with names for their sizes where the arguments' have some."""


sizing: ContextVar[Sizing | None] = ContextVar("sizing", default=None)
"""Of the run that is active, if its sizes have names."""

_interned: dict[tuple[Any, ...], Metadata] = {}
_dtype_names: dict[torch.dtype, str] = {}


def dtype_name(dtype: torch.dtype) -> str:
    """`float32` for `torch.float32`."""
    name = _dtype_names.get(dtype)
    if name is None:
        name = _dtype_names[dtype] = str(dtype).removeprefix("torch.")
    return name


def contiguous(shape: tuple[int, ...]) -> tuple[int, ...]:
    """The strides of a C array of that shape."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size or 1
    strides.reverse()
    return tuple(strides)


def metadata(
    shape: tuple[int, ...], stride: tuple[int, ...] | None, dtype: torch.dtype, device: torch.device = CPU
) -> Metadata:
    """The one `Metadata` of these properties, of a C array unless strides are given.

    A tensor on the meta device counts as one on the CPU.
    """
    if (following := sizing.get()) is not None:
        shape, stride = following.shape(shape), None if stride is None else tuple(map(int, stride))
    key = (shape, stride, dtype, device)
    found = _interned.get(key)
    if found is None:
        if device.type == "meta":
            found = metadata(shape, stride, dtype)
        elif stride is None:
            found = metadata(shape, contiguous(shape), dtype, device)
            found.c_array = True
        else:
            if len(_interned) > 200_000:
                _interned.clear()
            found = Metadata(shape, stride, dtype, device)
        _interned[key] = found
    return found


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
        found = _interned.get(key) if sizing.get() is None else None
        return found or metadata(_told_by_number(tensor), *key[1:])
    shape = tuple(tensor.shape)
    sparse = Metadata(shape, contiguous(shape), tensor.dtype, CPU if tensor.is_meta else tensor.device)
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
    if of.c_array and not requires_grad:
        tensor: Fake = _make(Fake, of.shape, dtype=of.dtype, device=of.device)
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
