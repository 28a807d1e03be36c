"""Where an operator belongs: the module that called it, and the phase of the run."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import nn
from torch.optim import optimizer as optim

from flopsight.calls import PHASES, ModuleNode, Operation, Scope, new
from flopsight.cost import TensorSpec
from flopsight.tracing.fake import Fake, metadata_of
from flopsight.tracing.modules import Known, Modules
from flopsight.tracing.place import THREAD, activate, active, in_checkpoint
from flopsight.tracing.untouched.replacement import Detour
from flopsight.tracing.untouched.state import ModuleState

FORWARD, BACKWARD, RECOMPUTE, OPTIMIZER = range(len(PHASES))


class Scopes:
    """The modules of a run, each call of them, and the scope and phase that are current.

    Calls of modules, followed in the innermost run of a thread, keep `current`. In backward, an operator
    belongs where the forward operator did that made the autograd node: nodes are numbered in the order they are made.

    here: the path of the current module. failed: that of the module in which the last exception was raised.
    graded: an input requires a gradient. untracked: some tensors would require a gradient, but autograd is off.
    book, book_module: what books a call that is no operator's, and one of a module for which `has_formula` holds.
    book_here: what books calls in the current module. A dispatcher sets them.
    around: the run that these are part of, in another of its threads. dispatcher: that of the run while it is active.
    leaves: the remembered calls of PyTorch's own modules, where they may be used.
    assigns: books the assignment of a value to a part of a stand-in, if what it runs is known; tells whether it is.
    works: what the run hands to other threads. muted: in how many `quiet` contexts the run is.
    """

    def __init__(self, *, restore: bool, around: Scopes | None = None, here: str = "") -> None:
        self.modules: Modules = Modules(restore=restore) if around is None else around.modules
        self.around = around
        self.dispatcher: Any = None
        self.leaves: Any = None
        self.assigns: Any = None
        self.works: list[Any] = []
        self.scopes: list[Scope] = []
        self.current = 0
        self.here = here
        self.graded: bool = around is not None and around.graded
        self.untracked = False
        self.optimizing = 0
        self._steps_in_backward = 0
        self.failed: str | None = None
        self._error = 0  # the `id` of the exception on its way: it would keep what it came from alive
        self.book: Callable[[Operation], None] = lambda record: None
        self.book_module: Callable[[nn.Module, Any, Any, Any], None] = lambda module, args, kwargs, output: None
        self.book_here: Callable[[Sequence[Operation]], None] = lambda records: None
        self.has_formula: Callable[[nn.Module], bool] | None = None
        self.muted = 0
        self._wrapped = is_call_wrapped()
        self._by_sequence: dict[int, int] = {}
        self._made: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]

    def root(self, kind: str, module: nn.Module | None) -> None:
        """Begin with the model itself, or with a root for code that is no module."""
        self.scopes.append(Scope("", -1))
        if module is None:
            self.modules.nodes[""] = ModuleNode("", kind)
        else:
            self.modules.root(module)

    @property
    def state(self) -> ModuleState:
        """What is put back at the end of a run that was made to restore."""
        assert self.modules.state is not None
        return self.modules.state

    def called(self, module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """Call a module of this run: what its forward runs belongs to it."""
        modules, current, here = self.modules, self.current, self.here
        known = modules.met.get(id(module)) or modules.meet(module, here)
        if modules.wrappers and id(module) in modules.wrappers:
            return _MODULE_CALL.original(module, *args, **kwargs)
        node = known.node
        if node.path or node.calls:
            self.current = len(self.scopes)
            self.scopes.append(new(Scope, (node.path, current, node.calls)))
            self.here = node.path
        node.calls += 1
        self._error = 0
        if known.unseen:
            self.book_here(known.unseen)
        output = None
        try:
            if self.has_formula is not None and self.has_formula(module):
                output = self._forward_by_formula(known, args, kwargs)
            else:
                output = self._forward(known, args, kwargs)
        except BaseException as error:
            if id(error) != self._error:
                self._error, self.failed = id(error), node.path
            raise
        finally:
            if node.calls == 1:
                given = args[0] if len(args) == 1 and not kwargs else (args, kwargs)
                of = given.metadata if type(given) is Fake else None
                node.inputs = _tensors(given) if of is None else of.specs
                of = output.metadata if type(output) is Fake else None
                node.outputs = _tensors(output) if of is None else of.specs
            self.current, self.here = current, here
        return output

    def _forward(self, known: Known, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        module = known.module
        if has_hooks(module) or self._wrapped or torch._C._get_tracing_state():
            with nullcontext() if known.functions is None else known.functions():
                return _MODULE_CALL.original(module, *args, **kwargs)
        if self.leaves is not None:
            return self.leaves.call(known, args, kwargs)
        return known.forward(args, kwargs)

    def _forward_by_formula(self, known: Known, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        with self.quiet():
            output = self._forward(known, args, kwargs)
        self.book_module(known.module, args, kwargs, output)
        return output

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
        self.leaves = self.assigns = None
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

    def place(self, owner: str | None) -> tuple[int, int]:
        """The scope and phase of an operator that runs now; that scope also owns the autograd node that it makes.

        owner: the path of the module that holds a parameter which the operator uses.
        """
        node: Any = torch._C._current_autograd_node()
        phase = FORWARD if node is None and not self.optimizing else self.phase()
        if phase == BACKWARD:
            return self._by_sequence.get(node._sequence_nr(), self.current), phase
        scope = self.current
        if owner is not None and owner != self.here:
            scope = self._child(owner)
        if not self.untracked and torch.is_grad_enabled():
            made: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
            if made > self._made:
                self._by_sequence.update(dict.fromkeys(range(self._made, made), scope))
                self._made = made
        return scope, phase

    def _step_begins(self, optimizer: optim.Optimizer, *_: Any) -> None:
        if active() is self:
            if self.dispatcher is not None:
                self.dispatcher.step_begins(optimizer)
            self.optimizing += 1
            self._steps_in_backward += torch._C._current_autograd_node() is not None

    def _step_ends(self, optimizer: optim.Optimizer, *_: Any) -> None:
        if active() is self:
            if self.dispatcher is not None:
                self.dispatcher.step_ends(optimizer)
            self.optimizing -= 1
            self._steps_in_backward = min(self._steps_in_backward, self.optimizing)

    @contextmanager
    def quiet(self) -> Iterator[None]:
        """Operators inside are not booked: what they are part of is."""
        self.muted += 1
        try:
            yield
        finally:
            self.muted -= 1

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow this thread's module calls and optimizer steps; put the modules back as they were at the end."""
        outer = active()
        activate(self)
        try:
            with _MODULE_CALL:
                before = optim.register_optimizer_step_pre_hook(self._step_begins)
                after = optim.register_optimizer_step_post_hook(self._step_ends)
                try:
                    yield
                finally:
                    before.remove()
                    after.remove()
        finally:
            activate(outer)
            if self.modules.state is not None:
                self.modules.state.restore()


def has_hooks(module: nn.Module) -> bool:
    """Whether PyTorch does more, when a module is called, than to call its forward; also one that it did not make."""
    if any(GLOBAL_HOOKS) or type(module)._call_impl is not _CALL_IMPL:
        return True
    held = module.__dict__
    try:
        before, after = held["_forward_pre_hooks"], held["_forward_hooks"]
        return bool(before or after or held["_backward_hooks"] or held["_backward_pre_hooks"])
    except KeyError:
        return True


def is_call_wrapped() -> bool:
    """Whether calls of modules are not PyTorch's own, while no run is active."""
    return _MODULE_CALL.aside() is not nn.Module._wrapped_call_impl


def _called(self: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    run: Scopes | None = getattr(THREAD, "run", None)
    if run is None or nn.Module.__call__ is not _MODULE_CALL.there:
        return _MODULE_CALL.original(self, *args, **kwargs)
    return run.called(self, args, kwargs)


_MODULE_CALL = Detour(nn.Module, "__call__", _called)
"""PyTorch's own tools (`torch.fx`) follow modules so; its global hooks would take longer than the forward."""
_CALL_IMPL = nn.Module._call_impl
GLOBAL_HOOKS = [hooks for name, hooks in vars(nn.modules.module).items() if name in (
    "_global_backward_pre_hooks", "_global_backward_hooks", "_global_forward_hooks", "_global_forward_pre_hooks",
)]  # fmt: skip


def _tensors(value: Any) -> tuple[TensorSpec, ...]:
    """The tensors in nested dicts, lists and tuples."""
    if type(value) is Fake:
        return (value.metadata or metadata_of(value)).specs
    if isinstance(value, torch.Tensor):
        return metadata_of(value).specs
    if isinstance(value, (tuple, list)):
        return tuple([spec for item in value for spec in _tensors(item)])
    return _tensors(tuple(value.values())) if isinstance(value, dict) and value else ()
