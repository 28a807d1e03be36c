"""The parts of a profile: kinds of operator calls, modules and what they hold, and where calls came from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from flopsight.cost import Cost, TensorSpec

PHASES = ("forward", "backward", "recompute", "optimizer")
"""`recompute` is a forward that runs again inside backward, as activation checkpointing does."""

new: Any = tuple.__new__
"""Makes a `NamedTuple` of all its fields, as its own constructor does, but without a frame of Python's."""

Specs = TensorSpec | tuple["Specs", ...] | None
"""The tensors passed as one argument: one, a list of them, or none."""


class Operation(NamedTuple):
    """One kind of operator call: the operator with the metadata of its arguments. Each is equal to itself alone.

    operator: `namespace::name.overload`. family: the kind of work, which conventions go by.
    inputs: tensors by schema name. arguments: everything else by schema name, as plain values.
    outputs: results. cost: scalar operations of one call; None where they are unknown.
    dtype: what it computes in. source: where the cost comes from (`flopsight`, `user`, `torch`, `decomposition`).
    reason: for a cost that is zero by definition, why. site: for an unknown operator, where it was first called.
    """

    operator: str
    family: str
    inputs: Mapping[str, Specs]
    arguments: Mapping[str, Any]
    outputs: tuple[TensorSpec, ...]
    cost: Cost | None
    dtype: str
    source: str = "flopsight"
    reason: str | None = None
    site: str | None = None

    @property
    def name(self) -> str:
        """The operator without its overload: `aten::add`."""
        return self.operator.partition(".")[0]

    def tensors(self) -> Iterator[TensorSpec]:
        """Every input tensor, lists opened."""
        return opened(tuple(self.inputs.values()))

    @property
    def read_bytes(self) -> int:
        """Bytes of all inputs."""
        return sum(spec.nbytes for spec in self.tensors())

    @property
    def written_bytes(self) -> int:
        """Bytes of all results."""
        return sum(spec.nbytes for spec in self.outputs)


Operation.__eq__ = object.__eq__  # type: ignore[method-assign]
Operation.__ne__ = object.__ne__  # type: ignore[method-assign]
Operation.__hash__ = object.__hash__  # type: ignore[method-assign]


def opened(specs: Specs) -> Iterator[TensorSpec]:
    """The tensors passed as one argument, lists opened."""
    if isinstance(specs, TensorSpec):
        yield specs
    elif specs is not None:
        for spec in specs:
            yield from opened(spec)


class ParameterRecord(NamedTuple):
    """A parameter or buffer as one module holds it.

    identity: the same number for the same tensor wherever it is held, which is how tied parameters are told.
    """

    name: str
    spec: TensorSpec
    trainable: bool
    buffer: bool
    identity: int


@dataclass(slots=True)
class ModuleNode:
    """A module of the model: `path` from the root (the root's is empty), class, own parameters and buffers.

    calls: how often it was called. inputs, outputs: tensors of its first call.
    """

    path: str
    kind: str
    parameters: tuple[ParameterRecord, ...] = ()
    calls: int = 0
    inputs: tuple[TensorSpec, ...] = ()
    outputs: tuple[TensorSpec, ...] = ()


class Scope(NamedTuple):
    """One call of a module: its path, the index of the calling scope (-1 at the root), and which call, from 0."""

    path: str
    parent: int
    call: int = 0


class OpCall(NamedTuple):
    """One operator call: what ran, in which module (its path), in which phase."""

    operation: Operation
    module: str
    phase: str


KINDS = (
    "parameters", "buffers", "inputs", "optimizer state", "gradients", "outputs", "saved", "temporaries", "workspace",
)  # fmt: skip
"""What a storage is kept for, one that is several of these being the first; `saved` is what a backward pass needs,
`workspace` what a kernel takes for itself while it runs.
"""
PARAMETERS, BUFFERS, INPUTS, STATE, GRADIENTS, OUTPUTS, SAVED, TEMPORARIES, WORKSPACE = KINDS


class Allocation(NamedTuple):
    """The life of one storage.

    kind: what it is kept for. nbytes: its size. spec: the tensor it was made for.
    made, gone: its first and last moment, numbered over all storages; `gone` is None for one that outlives the run.
    call: which call of the run made it, None for what was there before. last_call: the last call before it was gone.
    keeper: what let go of it last, where that was the backward step of an operator.
    module: the path of that which holds it, for what was there before.
    """

    kind: str
    nbytes: int
    spec: TensorSpec
    made: int
    gone: int | None = None
    call: int | None = None
    last_call: int | None = None
    keeper: str | None = None
    module: str | None = None


def is_inside(path: str, root: str) -> bool:
    """Whether a path is that of a module, or of one below it; of the root's, which is empty, all are."""
    return not root or path == root or path.startswith(f"{root}.")


def ancestors(path: str) -> Iterator[str]:
    """A module's path and those of all modules around it, innermost first, down to the root's (empty)."""
    while path:
        yield path
        path = path.rpartition(".")[0]
    yield ""
