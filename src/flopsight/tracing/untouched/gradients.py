"""The gradients of the user's leaves: a backward pass of a profile is to leave them as they were."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import Any

import torch

_is_leaf = attrgetter("is_leaf")
_gradient_of = attrgetter("grad")


class Gradients:
    """Leaves that may receive a gradient, with the `.grad` that each had when it was first met.

    older: whether the run met an autograd graph that was made before it: that is the user's to go back through.
    """

    def __init__(self) -> None:
        self._before: dict[int, tuple[torch.Tensor, torch.Tensor | None]] = {}
        self.older = False
        self._walked: set[Any] = set()
        self._first: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]

    def note(self, tensor: torch.Tensor) -> None:
        """Note a tensor that requires a gradient, or the leaves of the graph it was made by before the run."""
        if not tensor.is_leaf:
            if is_older(tensor.grad_fn, self._first):
                self.note_graph([tensor])
        elif id(tensor) not in self._before:
            self._before[id(tensor)] = (tensor, tensor.grad)

    def note_all(self, tensors: Iterable[torch.Tensor]) -> None:
        """Note tensors that require a gradient, most of which are new leaves."""
        tensors = list(tensors)
        if not all(map(_is_leaf, tensors)):
            for tensor in tensors:
                self.note(tensor)
            return
        before = self._before
        for tensor, gradient in zip(tensors, map(_gradient_of, tensors), strict=True):
            if id(tensor) not in before:
                before[id(tensor)] = (tensor, gradient)

    def note_graph(self, outputs: Iterable[torch.Tensor]) -> None:
        """Note the leaves that a backward pass from `outputs` reaches."""
        for node in nodes([t.grad_fn for t in outputs], self._walked):
            variable = getattr(node, "variable", None)
            if isinstance(variable, torch.Tensor):
                self.note(variable)
            else:
                self.older = self.older or is_older(node, self._first)
        for output in outputs:
            if output.is_leaf:
                self.note(output)

    @property
    def leaves(self) -> list[torch.Tensor]:
        """The leaves noted."""
        return [leaf for leaf, _ in self._before.values()]

    def hide(self) -> None:
        """Take away the gradients from before the run, for a backward pass that begins without them."""
        for leaf, gradient in self._before.values():
            if leaf.grad is gradient:
                leaf.grad = None

    def restore(self) -> None:
        """Give each leaf the gradient that it had."""
        for leaf, gradient in self._before.values():
            if leaf.grad is not gradient:
                leaf.grad = gradient


def is_older(node: Any, first: int) -> bool:
    """Whether an autograd node was made before the node of that number, on this thread."""
    return node is not None and bool(node._sequence_nr() < first)


def nodes(roots: Iterable[Any], seen: set[Any]) -> Iterator[Any]:
    """The autograd nodes that a backward pass from `roots` reaches, those in `seen` left out and added to it."""
    waiting = list(roots)
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend(following for following, _ in node.next_functions)
