"""Where an operator belongs: the module that called it, the phase of the run, the line of the user's code."""

from __future__ import annotations

import linecache
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import nn
from torch.nn.parameter import UninitializedTensorMixin  # type: ignore[attr-defined]
from torch.optim import optimizer as optim
from torch.overrides import TorchFunctionMode

from flopsight.cost import TensorSpec
from flopsight.record import PHASES, ModuleNode, Operation, ParameterRecord, Scope
from flopsight.tracing.fake import Metadata, metadata_of, storage_key

FORWARD, BACKWARD, RECOMPUTE, OPTIMIZER = range(len(PHASES))

_FUSED_IN_EVAL = (nn.MultiheadAttention, nn.TransformerEncoder, nn.TransformerEncoderLayer)
_HERE = str(Path(__file__).parent.parent)
_TORCH = str(Path(torch.__file__).parent)
_CONTAINERS = (dict, list, set)
_active = threading.local()


class _NoFastPath(TorchFunctionMode):
    """While any function mode is active, PyTorch's fused attention and encoder layers take their ordinary path."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return func(*args, **(kwargs or {}))


class Held(NamedTuple):
    """What is known of a real tensor.

    valueless: operators on it are not computed, because it has no values (meta device) or is a weight.
    path: the module that holds it; None for a tensor that no module holds. identity: its number among those held.
    """

    tensor: torch.Tensor
    metadata: Metadata
    valueless: bool
    path: str | None = None
    identity: int = -1


class Scopes:
    """The modules of a run, each call of them, and the scope and phase that are current.

    Global module hooks, heeded only in the innermost run of a thread, keep `current`. In backward, an operator
    belongs where the forward operator did that made the autograd node: nodes are numbered in the order they are made.

    held: the parameters and buffers of the modules, by `id`. book, book_module: what books a call that is no
    operator's, and one of a module for which `has_formula` holds; a dispatcher sets them.
    """

    def __init__(self, *, restore: bool) -> None:
        self.nodes: dict[str, ModuleNode] = {}
        self.scopes: list[Scope] = []
        self.current = 0
        self.held: dict[int, Held] = {}
        self.optimizing = 0
        self.failed: str | None = None
        self._error: BaseException | None = None
        self._paths: dict[int, str] = {}
        self._modules: list[nn.Module] = []
        self.book: Callable[[Operation], None] = lambda record: None
        self.book_module: Callable[[nn.Module, Any, Any, Any], None] = lambda module, args, kwargs, output: None
        self.has_formula: Callable[[nn.Module], bool] = lambda module: False
        self._muted = 0
        self._storages: dict[int | None, Held] = {}
        self._by_sequence: dict[int, int] = {}
        self._made: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
        self._inside: list[tuple[int, _NoFastPath | None]] = []
        self._state = ModuleState() if restore else None

    def root(self, kind: str, module: nn.Module | None) -> None:
        """Begin with the model itself, or with a root for code that is no module."""
        self.scopes.append(Scope("", -1))
        if module is None:
            self.nodes[""] = ModuleNode("", kind)
        else:
            self.adopt(module, "")

    def adopt(self, module: nn.Module, path: str) -> None:
        """Give `module` and all below it their paths, and note their parameters."""
        for name, child in module.named_modules(prefix=path):
            if id(child) in self._paths:
                continue
            self._paths[id(child)] = name
            self._modules.append(child)
            self.nodes[name] = ModuleNode(name, type(child).__name__, self._parameters(child, name))
            if self._state is not None:
                self._state.keep(child)

    def _parameters(self, module: nn.Module, path: str) -> tuple[ParameterRecord, ...]:
        held: list[ParameterRecord] = []
        for buffer, tensors in ((False, module._parameters), (True, module._buffers)):
            for name, tensor in tensors.items():
                if tensor is None or isinstance(tensor, UninitializedTensorMixin):
                    continue
                found = self.held.get(id(tensor))
                if found is None:
                    weight = not buffer and tensor.numel() > 1
                    found = Held(tensor, metadata_of(tensor), weight or tensor.is_meta, path, len(self.held))
                    self.held[id(tensor)] = found
                    self._storages.setdefault(storage_key(tensor), found)
                held.append(ParameterRecord(name, found.metadata.spec, tensor.requires_grad, buffer, found.identity))
        return tuple(held)

    def held_at(self, tensor: torch.Tensor) -> Held:
        """What is known of a real tensor that no module holds as such, but which may be a view of one held."""
        base = self._storages.get(storage_key(tensor))
        if base is None:
            return Held(tensor, metadata_of(tensor), tensor.is_meta)
        return Held(tensor, metadata_of(tensor), base.valueless, base.path)

    def parameters(self) -> Iterator[nn.Parameter]:
        """Every parameter of the modules met so far, each once."""
        seen: set[int] = set()
        for module in self._modules:
            for parameter in module._parameters.values():
                if parameter is not None and id(parameter) not in seen:
                    seen.add(id(parameter))
                    yield parameter

    def _new_root(self, module: nn.Module) -> str:
        """A path for a module that belongs to none known: its class's name below the current module."""
        around = self.scopes[self.current].path
        base = f"{around}.{type(module).__name__}" if around else type(module).__name__
        names = (base if n == 1 else f"{base}#{n}" for n in range(1, 1 << 30))
        return next(name for name in names if name not in self.nodes)

    def _enter(self, module: nn.Module, args: Any) -> None:
        if not self._is_watching:
            return
        path = self._paths.get(id(module))
        if path is None:
            path = self._new_root(module)
            self.adopt(module, path)
        node = self.nodes[path]
        mode = None
        if isinstance(module, _FUSED_IN_EVAL):
            mode = _NoFastPath()
            mode.__enter__()
        self._inside.append((self.current, mode))
        if self.has_formula(module):
            self._muted += 1
        if path or node.calls:
            self.scopes.append(Scope(path, self.current, node.calls))
            self.current = len(self.scopes) - 1
        node.calls += 1

    def _leave(self, module: nn.Module, args: Any, *rest: Any) -> None:
        kwargs, output = rest if len(rest) == 2 else ({}, *rest)  # PyTorch passes no kwargs where forward raised
        if not self._is_watching or not self._inside:
            return
        node = self.nodes[self.scopes[self.current].path]
        error = sys.exc_info()[1]
        if output is None and error is not None and error is not self._error:
            self._error, self.failed = error, node.path
        if node.calls == 1:
            node.inputs = tuple(_tensors((args, kwargs)))
            node.outputs = tuple(_tensors(output))
        if self.has_formula(module):
            self._muted -= 1
            if error is None or output is not None:
                self.book_module(module, args, kwargs[0] if kwargs else {}, output)
        self.current, mode = self._inside.pop()
        if mode is not None:
            mode.__exit__(None, None, None)

    def _child(self, path: str) -> int:
        """A scope for the module at `path`, called past its hooks; the current one if it is not below that."""
        here = self.scopes[self.current].path
        if here and not path.startswith(here + "."):
            return self.current
        last = len(self.scopes) - 1
        if self.scopes[last] != Scope(path, self.current):
            self.scopes.append(Scope(path, self.current))
            last += 1
        return last

    def phase(self) -> int:
        """The phase now: what autograd is doing, and whether an optimizer steps."""
        if torch._C._current_autograd_node() is None:
            return OPTIMIZER if self.optimizing else FORWARD
        if torch.is_grad_enabled() and _in_checkpoint():
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
        if owner is not None and owner != self.scopes[scope].path:
            scope = self._child(owner)
        if torch.is_grad_enabled():
            made: int = torch.autograd._get_sequence_nr()  # type: ignore[attr-defined]
            if made > self._made:
                self._by_sequence.update(dict.fromkeys(range(self._made, made), scope))
                self._made = made
        return scope

    def _step_begins(self, *_: Any) -> None:
        self.optimizing += self._is_watching

    def _step_ends(self, *_: Any) -> None:
        self.optimizing -= self._is_watching

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

    @property
    def _is_watching(self) -> bool:
        """Whether this is the innermost run of the calling thread; PyTorch's global hooks are called for all."""
        return active() is self

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Follow this thread's module calls and optimizer steps; put the modules back as they were at the end."""
        outer = active()
        _active.scopes = self
        with ExitStack() as stack:
            hooks = nn.modules.module
            if self._state is not None:
                stack.callback(self._state.restore)
            stack.callback(setattr, _active, "scopes", outer)
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
            self.current, mode = self._inside.pop()
            if mode is not None:
                mode.__exit__(None, None, None)


class ModuleState:
    """The attributes of modules as they were, to be put back: a forward on fake tensors may leave fakes in them."""

    def __init__(self) -> None:
        self._kept: list[tuple[dict[str, Any], dict[str, Any], list[tuple[Any, Any]]]] = []
        self._gradients: list[tuple[torch.Tensor, torch.Tensor | None]] = []

    def keep(self, module: nn.Module) -> None:
        """Note the attributes of a module, and what its plain dicts, lists and sets hold."""
        attributes = module.__dict__
        containers = [
            (value, value.copy() if value else None) for value in attributes.values() if type(value) in _CONTAINERS
        ]
        self._kept.append((attributes, attributes.copy(), containers))
        self._gradients += [(p, p.grad) for p in module._parameters.values() if p is not None]

    def restore(self) -> None:
        """Put back whatever changed since `keep`."""
        for attributes, before, containers in self._kept:
            for value, copy in containers:
                _reset(value, copy)
            if attributes.keys() != before.keys() or any(attributes[name] is not before[name] for name in before):
                attributes.clear()
                attributes.update(before)
        for parameter, gradient in self._gradients:
            if parameter.grad is not gradient:
                parameter.grad = gradient


def _reset(value: Any, copy: Any) -> None:
    if copy is None:
        if value:
            value.clear()
    elif type(value) is dict:
        if value.keys() != copy.keys() or any(value[key] is not copy[key] for key in copy):
            value.clear()
            value.update(copy)
    elif type(value) is list:
        if len(value) != len(copy) or any(a is not b for a, b in zip(value, copy, strict=True)):
            value[:] = copy
    elif value != copy:
        value.clear()
        value.update(copy)


def active() -> Scopes | None:
    """The scopes of the innermost run of this thread."""
    found: Scopes | None = getattr(_active, "scopes", None)
    return found


def _tensors(value: Any) -> Iterator[TensorSpec]:
    if isinstance(value, torch.Tensor):
        yield metadata_of(value).spec
    elif isinstance(value, dict):
        for item in value.values():
            yield from _tensors(item)
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)


def _in_checkpoint() -> bool:
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_filename.endswith("torch/utils/checkpoint.py"):
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def user_line() -> str:
    """`file:line: code` of the innermost frame that is neither PyTorch's nor flopsight's; empty if there is none."""
    frame: Any = sys._getframe(1)
    while frame is not None:
        name = frame.f_code.co_filename
        if not name.startswith((_HERE, _TORCH, "<frozen")):
            code = linecache.getline(name, frame.f_lineno).strip()
            return f"{name}:{frame.f_lineno}" + (f": {code}" if code else "")
        frame = frame.f_back
    return ""


def current_place() -> str:
    """The current module and the user's line, to begin a sentence with."""
    scopes = active()
    line = user_line()
    where = f" at {line}" if line else ""
    if scopes is None:
        return f"Code{where}"
    node = scopes.nodes[scopes.scopes[scopes.current].path]
    return f"Module {node.path!r} ({node.kind}){where}" if node.path else f"{node.kind}{where}"
