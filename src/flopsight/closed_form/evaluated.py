"""A record with numbers in place of its named sizes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from flopsight.calls import ModuleNode, Operation, Specs
from flopsight.cost import Cost, TensorSpec
from flopsight.errors import InputError
from flopsight.sizes import Size, given


class Evaluation:
    """Puts numbers in place of names; what was worked out once is kept."""

    def __init__(self, sizes: Mapping[str, int], *, refuse_empty: bool = False) -> None:
        self._sizes = sizes
        self._refuse_empty = refuse_empty
        self._atoms: dict[Any, Any] = {}
        self._specs: dict[int, tuple[TensorSpec, TensorSpec]] = {}

    def number(self, value: Any) -> Any:
        """The number of a size, in lists and tuples too."""
        if isinstance(value, Size):
            return value.poly.at(self._sizes, self._atoms)
        if isinstance(value, (list, tuple)):
            return type(value)(map(self.number, value))
        return value

    def spec(self, of: TensorSpec) -> TensorSpec:
        """The same tensor with numbers for sizes. Raises: InputError for one that would be empty, if told to refuse."""
        found = self._specs.get(id(of))
        if found is None:
            if self._refuse_empty and any(isinstance(size, Size) and self.number(size) < 1 for size in of.shape):
                raise InputError(
                    f"The model does not run at {given(self._sizes)}: a tensor of sizes {list(of.shape)} would be "
                    "empty."
                )
            found = self._specs[id(of)] = of, replace(of, shape=self.number(of.shape), stored=self.number(of.stored))
        return found[1]

    def specs(self, of: Specs) -> Specs:
        """The same tensors with numbers for sizes."""
        if isinstance(of, TensorSpec):
            return self.spec(of)
        return None if of is None else tuple(map(self.specs, of))

    def operation(self, of: Operation) -> Operation:
        """The same call with numbers for sizes."""
        return of._replace(
            inputs={name: self.specs(specs) for name, specs in of.inputs.items()},
            arguments={name: self.number(value) for name, value in of.arguments.items()},
            outputs=tuple(map(self.spec, of.outputs)),
            cost=None if of.cost is None else Cost._make(map(self.number, of.cost)),
        )

    def module(self, of: ModuleNode) -> ModuleNode:
        """The same module with numbers for sizes."""
        return replace(
            of,
            calls=self.number(of.calls),
            inputs=tuple(map(self.spec, of.inputs)),
            outputs=tuple(map(self.spec, of.outputs)),
        )
