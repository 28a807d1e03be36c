"""Constants whose values are worked out only when something asks for them: masks that are large, ids that are assumed.

A `Deferred` stands for a tensor as a fake does, and remembers the steps that make it. Asked for its values, it takes
those steps, in the order of the program: those that write to its memory too, and before each of these the ones that
read what it overwrites. It is no `FakeTensor`, because libraries leave those alone where they look at values.
"""

from __future__ import annotations

import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import count
from typing import Any

import torch

from flopsight.tracing.constructs.grad_mode import AsksAutograd, refuse_unknown
from flopsight.tracing.fake import make, metadata_of
from flopsight.tracing.metadata import Metadata
from flopsight.tracing.place import needs_values

ASKED_ELEMENTS = 1 << 24
"""Values that are worked out from more elements than this are not worked out."""

_lock = threading.RLock()
_numbers = count()


class Memory:
    """What a tensor and its views share.

    writes: the steps still to take that write to it, in order. readers: those that read it. unknown: whether something
    was written to it that has no values. graded: whether something was that may require a gradient.
    """

    __slots__ = ("__weakref__", "graded", "readers", "unknown", "writes")

    def __init__(self, *, unknown: bool = False, graded: bool = False) -> None:
        self.writes: list[Step] = []
        self.readers: list[weakref.ref[Step]] = []
        self.unknown = unknown
        self.graded = graded


class Node:
    """A tensor that a step makes. value: it, once the step is taken."""

    __slots__ = ("__weakref__", "step", "value")

    def __init__(self, step: Step | None, value: torch.Tensor | None = None) -> None:
        self.step = step
        self.value = value


class Step:
    """A call on constants, still to be made.

    args: with a node for each deferred tensor. reads, writes: the memories of those. made: by position among the
    tensors that the call returns, the nodes that still matter to anyone. elements: how many it touches. graded:
    whether an argument may require a gradient.
    """

    __slots__ = ("__weakref__", "args", "elements", "func", "graded", "kwargs", "made", "number", "reads", "writes")

    def __init__(
        self,
        func: Callable[..., Any],
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        reads: Sequence[Memory] = (),
        writes: Sequence[Memory] = (),
        *,
        elements: int,
        graded: bool = False,
    ) -> None:
        self.func: Callable[..., Any] | None = func
        self.args = args
        self.kwargs = kwargs or {}
        self.reads = [memory for memory in reads if memory not in writes]
        self.writes = list(map(weakref.ref, writes))  # they hold the step
        self.elements = elements
        self.graded = graded
        self.number = next(_numbers)
        self.made: list[tuple[int, weakref.ref[Node]]] = []
        for memory in self.reads:
            memory.readers.append(weakref.ref(self))
        for memory in writes:
            memory.writes.append(self)
            memory.graded |= graded

    def node(self) -> Node:
        """The node of the next tensor among those that the call returns."""
        node = Node(self)
        self.made.append((len(self.made), weakref.ref(node)))
        return node

    def nodes(self) -> Iterator[Node]:
        """The nodes among its arguments."""
        yield from _nodes((self.args, tuple(self.kwargs.values())))

    def take(self) -> None:
        """Make the call, and let go of what it needed."""
        assert self.func is not None
        with torch._C._DisableTorchDispatch(), torch._C._AutoDispatchBelowAutograd(), torch._C._DisableAutocast():
            out = self.func(*_values(self.args), **{name: _values(item) for name, item in self.kwargs.items()})
        tensors = list(_tensors(out))
        for at, reference in self.made:
            node = reference()
            if node is not None:
                node.value, node.step = tensors[at], None
        self.func, self.args, self.kwargs, self.reads = None, (), {}, []


class Deferred(AsksAutograd, torch.Tensor):
    """A tensor whose values can be had, but have not been worked out. node, memory: what they are made of."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]
    node: Node
    memory: Memory

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: Any = None
    ) -> Any:
        """Outside of a run, an operator is computed."""
        return func(*valued(args), **{name: valued(item) for name, item in (kwargs or {}).items()})

    @property
    def graded(self) -> bool:  # type: ignore[override]
        """Whether it may require a gradient."""
        return self.memory.graded and (self.is_floating_point() or self.is_complex())

    @property
    def data(self) -> torch.Tensor:
        """The tensor without its history, as of any tensor."""
        return torch.Tensor.data.__get__(self)  # type: ignore[attr-defined,no-any-return]

    @data.setter
    def data(self, value: torch.Tensor) -> None:
        with torch._C._DisableTorchDispatch():
            torch.Tensor.data.__set__(self, make(metadata_of(value)))  # type: ignore[attr-defined]
        if type(value) is Deferred:
            self.node, self.memory = value.node, value.memory
        else:
            self.memory = Memory(unknown=True)

    def tolist(self) -> Any:
        """The values in nested lists."""
        return values_of(self).tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """The values as a NumPy array."""
        return values_of(self).numpy(force=force)

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        array = values_of(self).numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __repr__(self, *, tensor_contents: Any = None) -> str:  # type: ignore[override]
        return repr(values_of(self))

    def __format__(self, spec: str) -> str:
        return format(values_of(self), spec)


def defer(step: Step, results: Any, memory: Memory | None = None) -> Any:
    """A deferred tensor for each metadata in what a step returns, in lists and tuples too.

    memory: what they share, if they are views; else each has its own.
    """
    if isinstance(results, Metadata):
        return _made(results, step, memory)
    return [defer(step, item, memory) for item in results] if isinstance(results, (list, tuple)) else results


def _made(of: Metadata, step: Step, memory: Memory | None) -> Deferred:
    tensor: Deferred = torch.Tensor._make_wrapper_subclass(
        Deferred, of.shape, strides=of.stride, dtype=of.dtype, device=of.device
    )
    tensor.node = step.node()
    tensor.memory = Memory(graded=step.graded) if memory is None else memory
    return tensor


def values_of(tensor: Deferred) -> torch.Tensor:
    """The real tensor. Raises: NeedsValuesError where that cannot be had, or would take too long."""
    refuse_unknown(tensor)
    if tensor.memory.unknown:
        raise needs_values("its value")
    with _lock:
        steps: dict[Step, None] = {}
        _want(tensor.node.step, steps)
        _want_writes(tensor.memory, next(_numbers), steps)
        _take(steps)
        assert tensor.node.value is not None
        return tensor.node.value


def before_write(memory: Memory) -> None:
    """Take the steps that read a memory that is about to be written to for real."""
    with _lock:
        steps: dict[Step, None] = {}
        for reader in _readers(memory, next(_numbers)):
            _want(reader, steps)
        _take(steps)


def valued(value: Any) -> Any:
    """Arguments with real tensors for those deferred, in lists and tuples too; unknown ones stay."""
    if type(value) is Deferred:
        return value if value.memory.unknown else values_of(value)
    return type(value)(map(valued, value)) if type(value) in (list, tuple) else value


def _take(steps: Iterable[Step]) -> None:
    ordered = sorted(steps, key=lambda step: step.number)
    touched = sum(step.elements for step in ordered)
    if touched > ASKED_ELEMENTS:
        raise needs_values(f"worked out from {touched:,} elements, which is too many")
    for step in ordered:
        step.take()


def _want(step: Step | None, steps: dict[Step, None]) -> None:
    """Add a step to those to take, and all that it needs."""
    waiting = [step]
    while waiting:
        step = waiting.pop()
        if step is None or step.func is None or step in steps:
            continue
        steps[step] = None
        waiting += [node.step for node in step.nodes()]
        for memory in step.reads:
            waiting += _writes(memory, step.number)
        for reference in step.writes:
            written = reference()
            if written is not None:
                waiting += [*_writes(written, step.number), *_readers(written, step.number)]


def _want_writes(memory: Memory, before: int, steps: dict[Step, None]) -> None:
    for step in _writes(memory, before):
        _want(step, steps)


def _writes(memory: Memory, before: int) -> list[Step]:
    """The steps that write to a memory before a number, and those that have to read it before they do."""
    memory.writes = [step for step in memory.writes if step.func is not None]
    found = [step for step in memory.writes if step.number < before]
    return [*found, *_readers(memory, found[-1].number)] if found else []


def _readers(memory: Memory, before: int) -> list[Step]:
    alive = [step for reader in memory.readers if (step := reader()) is not None and step.func is not None]
    memory.readers = [weakref.ref(step) for step in alive]
    return [step for step in alive if step.number < before]


def _nodes(value: Any) -> Iterator[Node]:
    if isinstance(value, Node):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _nodes(item)


def _values(value: Any) -> Any:
    if isinstance(value, Node):
        return value.value
    return type(value)(map(_values, value)) if isinstance(value, (list, tuple)) else value


def _tensors(value: Any) -> Iterator[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from _tensors(item)
