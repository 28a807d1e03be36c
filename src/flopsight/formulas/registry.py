"""Rules by operator: where formulas are declared, checked and found.

A formula is a pure function. It asks for what it needs by the names of the operator's schema, gets a `TensorSpec` for
each tensor (a tuple of them for a list, None where none was passed), plain values for the rest, and `out`, the result
(a tuple of several), and returns a `Cost`.
"""

from __future__ import annotations

import functools
import importlib
import inspect
import pkgutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from types import FunctionType
from typing import Any, NamedTuple, TypeVar

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.errors import FormulaError

Rule = Callable[..., Cost]
F = TypeVar("F", bound=Rule)


def _spec(value: Any) -> Any:
    """A tuple of sizes as a `TensorSpec`; a tuple of those likewise; anything else as it is."""
    if isinstance(value, tuple):
        if all(isinstance(size, int) for size in value):
            return TensorSpec(value)
        return tuple(map(_spec, value))
    return value


@dataclass(frozen=True)
class Case:
    """A worked example of a formula.

    given: arguments by schema name; a tuple of integers is the shape of a float32 tensor, a list of them is a list.
    out: the result's shape, or a tuple of shapes. cost: what the formula must return, written as arithmetic.
    """

    given: Mapping[str, Any]
    out: Any
    cost: Cost

    def computed(self, rule: Rule) -> Cost:
        """What `rule` returns for this example."""
        return bind(rule, {name: _spec(value) for name, value in self.given.items()}, _spec(self.out))


@dataclass(frozen=True)
class Formula:
    """A rule for one operator.

    family: the kind of work (`matmul`, `convolution`, `normalization`, ...), which conventions go by.
    source: where the rule comes from: `flopsight`, `user`, `torch` or `decomposition`.
    reason: for a cost that is zero by definition, why.
    """

    operator: str
    rule: Rule
    family: str
    source: str = "flopsight"
    reason: str | None = None
    case: Case | None = None

    @property
    def equation(self) -> str:
        """The first line of the rule's docstring, or the reason why the cost is zero."""
        return self.reason or (inspect.getdoc(self.rule) or "").partition("\n")[0]


class _Asked(NamedTuple):
    """What a rule asks for: the names of arguments, those of them that it cannot do without, and whether `out`."""

    names: tuple[str, ...]
    needed: frozenset[str]
    out: bool


_VARIABLE = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


@cache
def _asked(rule: Rule) -> _Asked:
    if isinstance(rule, FunctionType) and not vars(rule) and not rule.__code__.co_flags & _VARIABLE:
        return _asked_in(rule)
    parameters = dict(inspect.signature(rule).parameters)
    out = parameters.pop("out", None) is not None
    needed = (name for name, parameter in parameters.items() if parameter.default is inspect.Parameter.empty)
    return _Asked(tuple(parameters), frozenset(needed), out)


def _asked_in(rule: FunctionType) -> _Asked:
    """The same, read from the code of a plain function, which is faster than `inspect.signature`."""
    code, positional = rule.__code__, rule.__code__.co_argcount
    names = code.co_varnames[: positional + code.co_kwonlyargcount]
    given = {*names[positional - len(rule.__defaults__ or ()) : positional], *(rule.__kwdefaults__ or ())}
    asked = tuple(name for name in names if name != "out")
    return _Asked(asked, frozenset(asked) - given, "out" in names)


def bind(rule: Rule, given: Mapping[str, Any], out: Any) -> Cost:
    """Call `rule` with those of the `given` schema arguments that it asks for, and with `out` if it wants it."""
    asked = _asked(rule)
    arguments = {name: given[name] for name in asked.names if name in given}
    if len(arguments) < len(asked.names) and not asked.needed <= arguments.keys():
        unknown = [name for name in asked.names if name in asked.needed and name not in given]
        raise FormulaError(
            f"The formula {rule.__name__!r} asks for {', '.join(map(repr, unknown))}, which the operator's schema does "
            f"not have; it has {', '.join(map(repr, given)) or 'no arguments'}, and the result is 'out'."
        )
    cost = rule(**arguments, out=out) if asked.out else rule(**arguments)
    if not isinstance(cost, Cost):
        raise FormulaError(
            f"The formula {rule.__name__!r} returned {cost!r}; return a flopsight.Cost, for example "
            f"flopsight.Cost(multiply=out.numel)."
        )
    if cost is not ZERO:
        _check(rule, cost)
    return cost


def _check(rule: Rule, cost: Cost) -> None:
    """Raise FormulaError for a cost that cannot be."""
    if set(map(type, cost)) == {int} and min(cost) >= 0 and cost.macs >= cost.results and cost.macs >= cost.masked_macs:
        return
    given = cost.to_dict()
    for name, count in given.items():
        if isinstance(count, (bool, float)) or (isinstance(count, int) and count < 0):
            raise FormulaError(
                f"The formula {rule.__name__!r} returned {name}={count!r}; a count is an integer of at least 0 "
                "(divide with //)."
            )
    for part in ("results", "masked_macs"):
        count = given.get(part, 0)
        if isinstance(count, int) and isinstance(cost.macs, int) and count > cost.macs:
            raise FormulaError(
                f"The formula {rule.__name__!r} returned {part}={count} of macs={cost.macs}; a dot product has at "
                "least one multiply-accumulate, and a mask cannot save more than there are."
            )


@dataclass
class Registry:
    """Formulas by operator: `namespace::name` for every overload, `namespace::name.overload` for one.

    The in-place twin `name_` of an operator, and its overloads that write to `out`, share its formula.
    targets: formulas of module classes, autograd functions and Triton kernels, which are no operators. around: what a
    call of such a function or kernel goes through; the tracer sets it.
    """

    formulas: dict[str, Formula] = field(default_factory=dict)
    targets: dict[Any, Formula] = field(default_factory=dict)
    around: Callable[..., Any] | None = None
    version: int = 0

    def add(self, formula: Formula, *, replace: bool = False) -> None:
        """Register a formula; one that stands already is an error, unless it is to be replaced.

        Raises: FormulaError.
        """
        known = self.formulas.get(formula.operator)
        if known is not None and not replace:
            raise FormulaError(
                f"{formula.operator} has a formula already ({known.rule.__module__}.{known.rule.__name__}); "
                "pass replace=True to put yours in its place."
            )
        self.formulas[formula.operator] = formula
        self.version += 1

    def remove(self, operator: str) -> None:
        """Forget the formula of an operator."""
        del self.formulas[operator]
        self.version += 1

    def find(self, operator: str) -> Formula | None:
        """The formula of `namespace::name.overload`: its own, its packet's, or that of the out-of-place twin."""
        packet = operator.partition(".")[0]
        twin = packet[:-1] if packet.endswith("_") and not packet.endswith("__") else None
        for name in (operator, packet, twin):
            if name is not None and (found := self.formulas.get(name)) is not None:
                return found
        return None

    def __iter__(self) -> Iterator[Formula]:
        return iter(sorted(self.formulas.values(), key=lambda formula: formula.operator))


REGISTRY = Registry()


def _family(rule_module: str) -> str:
    return rule_module.removeprefix(f"{__package__}.").partition(".")[0]


def formula(
    *targets: Any, family: str | None = None, case: Case | None = None, replace: bool = False
) -> Callable[[F], F]:
    """Declare the decorated function as the formula of `targets`.

    A target is the name of an operator (`"aten::bmm"`, `"mylib::scan"`), a module class, a `torch.autograd.Function`,
    or a Triton kernel. The formula asks for what it needs by name: of the operator's schema, of the arguments of
    `forward`, or of the kernel's; for a module, `module` is the module itself. It stands for all that happens inside.
    In flopsight's own files the family is the name of the folder, or of a file that is in none. Raises: FormulaError.
    """

    def declare(rule: F) -> F:
        ours = rule.__module__.startswith("flopsight.formulas.")
        for target in targets:
            if not ours:
                load_formulas()
            found = Formula(
                operator=target.removesuffix(".default") if isinstance(target, str) else _target_name(target),
                rule=rule,
                family=family or (_family(rule.__module__) if ours else "custom"),
                source="flopsight" if ours else "user",
                case=case,
            )
            if "::" not in found.operator:
                raise FormulaError(f"{target!r} is no operator name; write it as 'namespace::name', 'aten::bmm'.")
            REGISTRY.add(found, replace=replace)
            if not isinstance(target, str):
                REGISTRY.targets[target] = found
                _watch(target)
        return rule

    return declare


def _target_name(target: Any) -> str:
    """`module::Name`, `function::Name` or `kernel::name`."""
    if isinstance(target, type):
        kind = "function" if hasattr(target, "apply") and hasattr(target, "backward") else "module"
        return f"{kind}::{target.__qualname__}"
    if hasattr(target, "run") and hasattr(target, "fn"):
        return f"kernel::{target.fn.__name__}"
    raise FormulaError(
        f"A formula cannot be given to {target!r}; give the name of an operator, a module class, a "
        "torch.autograd.Function, or a Triton kernel."
    )


def _watch(target: Any) -> None:
    """Have calls of a function or kernel that has a formula go through `REGISTRY.around`, once there is one.

    A module needs no such thing: its calls are seen anyway.
    """
    name = (
        "run" if hasattr(target, "run") else "forward" if hasattr(target, "apply") and hasattr(target, "vjp") else None
    )
    if name is None or hasattr(getattr(target, name), "__wrapped__"):
        return
    call = getattr(target, name)

    @functools.wraps(call)
    def watched(*args: Any, **kwargs: Any) -> Any:
        around = REGISTRY.around
        return call(*args, **kwargs) if around is None else around(target, call, args, kwargs)

    setattr(target, name, staticmethod(watched) if isinstance(target, type) else watched)


def zero(reason: str, *operators: str, family: str) -> None:
    """Declare that `operators` do no arithmetic, with the reason."""

    def rule() -> Cost:
        return ZERO

    for operator in operators:
        REGISTRY.add(Formula(operator=operator, rule=rule, family=family, reason=reason))


@cache
def load_formulas() -> Registry:
    """The registry, with every file of this package read."""
    import flopsight.formulas as package

    for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
        importlib.import_module(module.name)
    return REGISTRY
