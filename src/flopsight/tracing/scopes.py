"""Where an operator belongs: the module that called it, and the phase of the run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn
from torch.optim import optimizer as optim
from torch.overrides import TorchFunctionMode

from flopsight.cost import TensorSpec
from flopsight.record import PHASES, ModuleNode, Operation, Scope
from flopsight.tracing.fake import metadata_of
from flopsight.tracing.modules import Modules
from flopsight.tracing.place import activate, active, in_checkpoint
from flopsight.tracing.state import ModuleState

FORWARD, BACKWARD, RECOMPUTE, OPTIMIZER = range(len(PHASES))


class Scopes:
    """The modules of a run, each call of them, and the scope and phase that are current.

    Global module hooks, heeded only in the innermost run of a thread, keep `current`. In backward, an operator
    belongs where the forward operator did that made the autograd node: nodes are numbered in the order they are made.

    here: the path of the current module. failed: that of the module in which the last exception was raised.
    graded: an input requires a gradient. untracked: some tensors would require a gradient, but autograd is off.
    book, book_module: what books a call that is no operator's, and one of a module for which `has_formula` holds.
    book_here: what books calls in the current module. A dispatcher sets them.
    around: the run that these are part of, in another of its threads. dispatcher: that of the run while it is active.
    works: what the run hands to other threads.
    """

    def __init__(self, *, restore: bool, around: Scopes | None = None, here: str = "") -> None:
        self.modules: Modules = Modules(restore=restore) if around is None else around.modules
        self.around = around
        self.dispatcher: Any = None
        self.works: list[Any] = []
        self.scopes: list[Scope] = []
        self.current = 0
        self.here = here
        self.graded: bool = around is not None and around.graded
        self.untracked = False
        self.optimizing = 0
        self._steps_in_backward = 0
        self.failed: str | None = None
        self._error: BaseException | None = None
        self.book: Callable[[Operation], None] = lambda record: None
        self.book_module: Callable[[nn.Module, Any, Any, Any], None] = lambda module, args, kwargs, output: None
        self.book_here: Callable[[list[Operation]], None] = lambda records: None
        self.has_formula: Callable[[nn.Module], bool] | None = None
        self._muted = 0
        self._by_sequence: dict[int, int] = {}
        self._made: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
        self._inside: list[tuple[int, str, TorchFunctionMode | None, ModuleNode]] = []

    def is_part_of(self, run: Scopes) -> bool:
        """Whether these follow a thread of `run`, whose hooks tell of this thread's modules too."""
        around = self.around
        while around is not None and around is not run:
            around = around.around
        return around is not None

    def root(self, kind: str, module: nn.Module | None) -> None:
        """Begin with the model itself, or with a root for code that is no module."""
        self.scopes.append(Scope("", -1))
        if module is None:
            self.modules.nodes[""] = ModuleNode("", kind)
        else:
            self.modules.adopt(module, "")

    @property
    def state(self) -> ModuleState:
        """What is put back at the end of a run that was made to restore."""
        assert self.modules.state is not None
        return self.modules.state

    def _enter(self, module: nn.Module, args: Any) -> None:
        run = active()
        if run is not self:
            if run is not None and run.is_part_of(self):
                run._enter(module, args)
            return
        node, functions, _, unseen = self.modules.known(module, self.here)
        if id(module) in self.modules.wrappers:
            return
        mode = None
        if functions is not None:
            mode = functions()
            mode.__enter__()
        self._inside.append((self.current, self.here, mode, node))
        if self.has_formula is not None and self.has_formula(module):
            self._muted += 1
        if node.path or node.calls:
            self.scopes.append(Scope(node.path, self.current, node.calls))
            self.current = len(self.scopes) - 1
            self.here = node.path
        node.calls += 1
        if unseen:
            self.book_here(unseen)

    def _leave(self, module: nn.Module, args: Any, *rest: Any) -> None:
        kwargs, output = rest if len(rest) == 2 else ({}, *rest)  # PyTorch passes no kwargs where forward raised
        run = active()
        if run is not self or not self._inside or id(module) in self.modules.wrappers:
            if run is not None and run is not self and run.is_part_of(self):
                run._leave(module, args, *rest)
            return
        current, here, mode, node = self._inside.pop()
        error = sys.exc_info()[1] if output is None else None
        if error is not None and error is not self._error:
            self._error, self.failed = error, node.path
        if node.calls == 1:
            node.inputs, node.outputs = _tensors((args, kwargs)), _tensors(output)
        if self.has_formula is not None and self.has_formula(module):
            self._muted -= 1
            if error is None:
                self.book_module(module, args, kwargs, output)
        self.current, self.here = current, here
        if mode is not None:
            mode.__exit__(None, None, None)

    def _child(self, path: str) -> int:
        """A scope for the module at `path`, called past its hooks; the current one if it is not below that."""
        if self.here and not path.startswith(self.here + "."):
            return self.current
        last = len(self.scopes) - 1
        if self.scopes[last] != Scope(path, self.current):
            self.scopes.append(Scope(path, self.current))
            last += 1
        return last

    def forget(self) -> None:
        """Let go of the modules and of what books calls, when the run has ended."""
        self.modules.forget()
        del self.book, self.book_module, self.book_here

    def describe(self) -> str:
        """The current module, to begin a sentence with."""
        node = self.modules.nodes[self.here]
        return f"Module {node.path!r} ({node.kind})" if node.path else node.kind

    def phase(self) -> int:
        """The phase now: what autograd is doing, and whether an optimizer steps."""
        if torch._C._current_autograd_node() is None or self._steps_in_backward:
            return OPTIMIZER if self.optimizing else FORWARD
        if torch.is_grad_enabled() and in_checkpoint():
            return RECOMPUTE
        return BACKWARD

    def place(self, phase: int, owner: str | None) -> int:
        """The scope of an operator of that phase, which also owns the autograd node that the operator makes.

        owner: the path of the module that holds a parameter which the operator uses.
        """
        if phase == BACKWARD:
            node: Any = torch._C._current_autograd_node()
            return self._by_sequence.get(node._sequence_nr(), self.current)
        scope = self.current
        if owner is not None and owner != self.here:
            scope = self._child(owner)
        if not self.untracked and torch.is_grad_enabled():
            made: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
            if made > self._made:
                self._by_sequence.update(dict.fromkeys(range(self._made, made), scope))
                self._made = made
        return scope

    def _step_begins(self, *_: Any) -> None:
        if active() is self:
            self.optimizing += 1
            self._steps_in_backward += torch._C._current_autograd_node() is not None

    def _step_ends(self, *_: Any) -> None:
        if active() is self:
            self.optimizing -= 1
            self._steps_in_backward = min(self._steps_in_backward, self.optimizing)

    @contextmanager
    def muted(self) -> Iterator[None]:
        """Operators inside are not booked: what they are part of is."""
        self._muted += 1
        try:
            yield
        finally:
            self._muted -= 1

    @property
    def is_muted(self) -> bool:
        """Whether operators are not to be booked."""
        return self._muted > 0

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow this thread's module calls and optimizer steps; put the modules back as they were at the end."""
        outer = active()
        activate(self)
        with ExitStack() as stack:
            hooks = nn.modules.module
            if self.modules.state is not None:
                stack.callback(self.modules.state.restore)
            stack.callback(activate, outer)
            stack.callback(self._unwind)
            stack.callback(hooks.register_module_forward_pre_hook(self._enter).remove)
            leave = hooks.register_module_forward_hook(self._leave, with_kwargs=True, always_call=True)
            stack.callback(leave.remove)
            for forgotten in (hooks._global_forward_hooks_always_called, hooks._global_forward_hooks_with_kwargs):
                stack.callback(forgotten.pop, leave.id, None)  # remove() leaves these entries behind
            stack.callback(optim.register_optimizer_step_pre_hook(self._step_begins).remove)
            stack.callback(optim.register_optimizer_step_post_hook(self._step_ends).remove)
            yield

    def _unwind(self) -> None:
        while self._inside:
            self.current, self.here, mode, _ = self._inside.pop()
            if mode is not None:
                mode.__exit__(None, None, None)


def _tensors(value: Any) -> tuple[TensorSpec, ...]:
    """The tensors in nested dicts, lists and tuples."""
    if isinstance(value, torch.Tensor):
        return (metadata_of(value).spec,)
    if isinstance(value, (tuple, list)):
        return tuple([spec for item in value for spec in _tensors(item)])
    return _tensors(tuple(value.values())) if isinstance(value, dict) and value else ()
