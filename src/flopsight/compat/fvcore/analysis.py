"""fvcore's `JitModelAnalysis`: counts by module and operator, from flopsight's record in place of a `jit` trace."""

from __future__ import annotations

import logging
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from numbers import Number
from typing import TYPE_CHECKING, Any

from torch import nn

from flopsight.calls import Operation, ancestors
from flopsight.compat._run import forward
from flopsight.compat.fvcore.operators import Node, is_left_out, nodes
from flopsight.compat.fvcore.values import inputs as values_in
from flopsight.compat.fvcore.values import outputs as values_out
from flopsight.errors import InputError, near
from flopsight.profiles import Profile

if TYPE_CHECKING:
    from typing_extensions import Self

Handle = Callable[[list[Any], list[Any]], Any]
"""From the inputs and outputs of an operator call to its count, or to counts by name."""

_TRACER_WARNINGS = ("all", "no_tracer_warning", "none")
_ANCESTOR_MODES = ("owner", "caller")
_NEVER_CALLED = (nn.ModuleList, nn.ModuleDict, nn.Module)
_logger = logging.getLogger(__name__)


@dataclass
class _Statistics:
    """Counts by module path and operator, calls left out, and modules that were not called."""

    counts: dict[str, Counter[str]]
    unsupported: dict[str, Counter[str]]
    uncalled: set[str] = field(default_factory=set)


class JitModelAnalysis:
    """Counts by module path, `""` being the model, and by operator. The model runs when the first count is asked for.

    This one counts operators that have a handle only.
    """

    def __init__(self, model: nn.Module, inputs: Any) -> None:
        if not isinstance(model, nn.Module):
            raise InputError(f"{type(self).__name__} was given {model!r} as the model; give an instance of nn.Module.")
        self._model = model
        self._inputs = inputs
        self._handles: dict[str, Handle | None] = {}
        self._built_in = True
        self._stats: _Statistics | None = None
        self._modules = dict(model.named_modules(remove_duplicate=False))
        first: dict[int, str] = {}
        self._canonical = {name: first.setdefault(id(module), name) for name, module in self._modules.items()}
        self._enable_warn_unsupported_ops = True
        self._enable_warn_uncalled_mods = True
        self._warn_trace = "no_tracer_warning"
        self._ancestor_mode = "owner"

    def _count(self, operation: Operation) -> int:
        """The count of a call of an operator that has no handle."""
        return 0

    def total(self, module_name: str = "") -> int:
        """The count of a module and all below it."""
        return sum(self.by_operator(module_name).values())

    def by_operator(self, module_name: str = "") -> Counter[str]:
        """The counts of a module and all below it, by operator."""
        return self._analyze().counts[self.canonical_module_name(module_name)]

    def by_module_and_operator(self) -> dict[str, Counter[str]]:
        """Counts by module, then by operator."""
        return self._analyze().counts

    def by_module(self) -> Counter[str]:
        """Counts by module."""
        return Counter({name: sum(counts.values()) for name, counts in self._analyze().counts.items()})

    def unsupported_ops(self, module_name: str = "") -> Counter[str]:
        """How often operators were called that do scalar work which is not counted."""
        return self._analyze().unsupported[self.canonical_module_name(module_name)]

    def uncalled_modules(self) -> set[str]:
        """The modules that were not called, or only by way of another method than their call."""
        return self._analyze().uncalled

    def set_op_handle(self, *pairs: Any, **handles: Handle | None) -> Self:
        """Count operators by functions of one's own: `set_op_handle("aten::add", handle, ...)`; None leaves one out."""
        if len(pairs) % 2:
            raise TypeError(
                f"set_op_handle takes pairs of an operator's name and its handle; {len(pairs)} values came."
            )
        self._handles |= dict(zip(pairs[::2], pairs[1::2], strict=True)) | handles
        self._stats = None
        return self

    def clear_op_handles(self) -> Self:
        """Forget all handles, the built-in counts too."""
        self._handles, self._built_in, self._stats = {}, False, None
        return self

    def canonical_module_name(self, name: str) -> str:
        """The first name of a module that has several, which counts are listed under. Raises: KeyError."""
        if name not in self._canonical:
            raise KeyError(f"{name!r} is no module of the analyzed model.{near(str(name), list(self._canonical))}")
        return self._canonical[name]

    def copy(self, new_model: nn.Module | None = None, new_inputs: Any = None) -> Self:
        """The same settings for another model or other inputs."""
        other = type(self)(
            self._model if new_model is None else new_model, self._inputs if new_inputs is None else new_inputs
        )
        other._handles, other._built_in = self._handles.copy(), self._built_in
        return (
            other.unsupported_ops_warnings(self._enable_warn_unsupported_ops)
            .uncalled_modules_warnings(self._enable_warn_uncalled_mods)
            .tracer_warnings(self._warn_trace)
            .ancestor_mode(self._ancestor_mode)
        )

    def tracer_warnings(self, mode: str) -> Self:
        """Which warnings of the model's own code to show: "none" hides them. There is no tracer that would warn."""
        self._warn_trace = _one_of(mode, _TRACER_WARNINGS, "tracer warning mode")
        return self

    def ancestor_mode(self, mode: str) -> Self:
        """Whether an operator counts for the modules around it by name ("owner"), or those that called ("caller")."""
        self._ancestor_mode = _one_of(mode, _ANCESTOR_MODES, "ancestor mode")
        self._stats = None
        return self

    def unsupported_ops_warnings(self, enabled: bool) -> Self:
        """Whether to log the operators that are not counted."""
        self._enable_warn_unsupported_ops = enabled
        return self

    def uncalled_modules_warnings(self, enabled: bool) -> Self:
        """Whether to log the modules that were not called."""
        self._enable_warn_uncalled_mods = enabled
        return self

    def _analyze(self) -> _Statistics:
        if self._stats is None:
            with warnings.catch_warnings():
                if self._warn_trace == "none":
                    warnings.simplefilter("ignore")
                profile = forward(self._model, _positional(self._inputs))
            self._stats = self._statistics(profile)
            self._log(self._stats)
        return self._stats

    def _statistics(self, profile: Profile) -> _Statistics:
        names = dict.fromkeys(self._canonical.values())
        stats = _Statistics({name: Counter() for name in names}, {name: Counter() for name in names})
        around = [set(self._around(profile, index)) & names.keys() for index in range(len(profile.scopes))]
        seen = {path for path, module in profile.modules.items() if module.calls}
        for node in nodes(profile):
            seen |= around[node.scope]
            counts = self._counts(node)
            for name in around[node.scope]:
                if counts is not None:
                    stats.counts[name] += counts
                elif is_left_out(node):
                    stats.unsupported[name][node.kind] += 1
        stats.uncalled = names.keys() - seen
        return stats

    def _around(self, profile: Profile, scope: int) -> Iterator[str]:
        if self._ancestor_mode == "owner":
            yield from ancestors(profile.scopes[scope].path)
            return
        while scope >= 0:
            yield profile.scopes[scope].path
            scope = profile.scopes[scope].parent

    def _counts(self, node: Node) -> Counter[str] | None:
        """The counts of one operator call; None where there is nothing to count it by."""
        simple = "conv" if node.kind == "aten::_convolution" else node.kind.partition("::")[2]
        if node.kind not in self._handles:
            known = self._built_in and node.operation.cost is not None
            count = self._count(node.operation) if known else 0
            return Counter({simple: count}) if count else None
        handle = self._handles[node.kind]
        if handle is None:
            return Counter()
        counts = handle(values_in(node), values_out(node))
        counts = Counter({simple: counts}) if isinstance(counts, Number) else counts
        wrong = [value for value in counts.values() if not isinstance(value, (int, float))]
        if wrong:
            raise ValueError(f"The handle for {node.kind} returned {wrong[0]!r}; a count is an int or a float.")
        return counts

    def _log(self, stats: _Statistics) -> None:
        for kind, times in stats.unsupported[""].items() if self._enable_warn_unsupported_ops else ():
            _logger.warning("Unsupported operator %s encountered %d time(s)", kind, times)
        idle = {name for name in stats.uncalled if type(self._modules[name]).forward not in _NO_FORWARD}
        if idle and self._enable_warn_uncalled_mods:
            _logger.warning(
                "The following submodules of the model were never called. They are unused, or were reached by "
                ".forward() or other methods, and then count for the module that called.\n%s",
                ", ".join(sorted(idle)),
            )


_NO_FORWARD = tuple(kind.forward for kind in _NEVER_CALLED)


def _one_of(value: str, known: tuple[str, ...], what: str) -> str:
    if value not in known:
        raise ValueError(f"There is no {what} {value!r}; there are {', '.join(known)}.{near(str(value), list(known))}")
    return value


def _positional(inputs: Any) -> tuple[Any, ...]:
    return tuple(inputs) if isinstance(inputs, (tuple, list)) else (inputs,)
