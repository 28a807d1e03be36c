"""What PyTorch's schema says of an operator, and one call of it as an `Operation` with its cost."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch._ops import OpOverload

from flopsight.calls import Operation, Specs, new
from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.registry import REGISTRY, Formula, bind, load_formulas
from flopsight.tracing.fake import metadata_of
from flopsight.tracing.metadata import Metadata, dtype_name, sizing

_MASKS = (torch.bool, torch.uint8)
_COMPOSITE = "CompositeImplicitAutograd"
_DYNAMIC = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}


class OperatorInfo:
    """Facts of one overload.

    name: `aten::add.Tensor`. arguments: schema names. returned: for each result, the position and name of the argument
    that it is (an in-place or `out` operator), or None. target: the position of the only one. writes: the arguments
    written to. view: the result shares memory with an argument. in_place_view: changes an argument's sizes.
    formula: what was found last, and in which version of the registry.
    dynamic: the result's shape or value depends on values. random: draws random numbers. composite: PyTorch itself
    writes it with other operators.
    """

    __slots__ = (
        "arguments", "composite", "defaults", "dynamic", "formula", "func", "in_place_view", "name", "packet", "random",
        "returned", "target", "view", "writes",
    )  # fmt: skip

    def __init__(self, func: OpOverload) -> None:
        schema = func._schema
        self.func = func
        self.formula: tuple[int, Formula | None] = -1, None
        self.packet = schema.name
        self.name = f"{schema.name}.{schema.overload_name}" if schema.overload_name else schema.name
        arguments, returns = schema.arguments, [r.alias_info for r in schema.returns]  # made anew each time
        self.arguments = tuple([argument.name for argument in arguments])
        self.defaults = {a.name: a.default_value for a in arguments if a.has_default_value()}
        self.writes: tuple[tuple[int, str], ...] = ()
        self.returned: tuple[tuple[int, str] | None, ...] = (None,) * len(returns)
        if schema.is_mutable:
            aliases = enumerate([argument.alias_info for argument in arguments])
            written = [(at, alias) for at, alias in aliases if alias is not None and alias.is_write]
            by_alias = {of: (at, self.arguments[at]) for at, alias in written for of in alias.before_set}
            self.writes = tuple([(at, self.arguments[at]) for at, _ in written])
            sets = [alias.before_set if alias is not None and alias.is_write else () for alias in returns]
            self.returned = tuple([next((by_alias[of] for of in each if of in by_alias), None) for each in sets])
        self.view = any(not alias.is_write for alias in returns if alias is not None)
        tags = set(func.tags)
        self.dynamic = bool(tags & _DYNAMIC)
        self.in_place_view = torch.Tag.inplace_view in tags
        only = self.returned[0] if len(self.returned) == 1 and not self.in_place_view else None
        self.target = None if only is None or arguments[only[0]].kwarg_only else only[0]
        self.random = torch.Tag.nondeterministic_seeded in tags
        self.composite = _is_composite(self.name)

    def depends_on_values(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> bool:
        """Whether the shape or value of this call's result depends on the values of its arguments."""
        if self.packet == "aten::index":  # by a mask, not by positions
            return any(index is not None and index.dtype in _MASKS for index in args[1])
        return self.dynamic and not kwargs.get("output_size")

    def bound(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """Arguments by schema name, defaults filled in."""
        named = dict(zip(self.arguments, args, strict=False))
        named.update(kwargs)
        return named if len(named) == len(self.arguments) else {**self.defaults, **named}

    def without_defaults(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Positional arguments as PyTorch hands them to a mode: without the last ones that are the defaults."""
        count = len(args)
        while count and (name := self.arguments[count - 1]) in self.defaults:
            default = self.defaults[name]
            if type(args[count - 1]) is not type(default) or args[count - 1] != default:
                break
            count -= 1
        return args[:count]


@cache
def _composites_of_pytorch() -> frozenset[str]:
    return frozenset(torch._C._dispatch_get_registrations_for_dispatch_key(_COMPOSITE))


def _is_composite(name: str) -> bool:
    """Whether PyTorch itself writes an operator with others; it tells of all at once in the time it takes for some."""
    if name.startswith("aten::"):
        return name in _composites_of_pytorch()
    try:
        return bool(torch._C._dispatch_has_kernel_for_dispatch_key(name, _COMPOSITE))
    except RuntimeError:  # Python alone knows it (`prim::device`)
        return False


INFOS: dict[int, OperatorInfo] = {}
"""By the `id` of the overload, which is slow to hash, and which its facts keep alive."""


def info_of(func: OpOverload) -> OperatorInfo:
    """The facts of an overload, looked up once: the same object for each call of it."""
    found = INFOS.get(id(func))
    if found is None:
        found = INFOS[id(func)] = OperatorInfo(func)
    return found


@cache
def is_factory(info: OperatorInfo) -> bool:
    """Whether an operator of PyTorch's makes a tensor of plain values alone: of equal ones, always the same."""
    takes = any("Tensor" in str(argument.type) for argument in info.func._schema.arguments)
    return info.packet.startswith("aten::") and not (takes or info.random)


def _specs(value: Any) -> Specs:
    if isinstance(value, Metadata):
        return value.spec
    if value is None:
        return None
    return tuple(_specs(item) for item in value)


def _is_tensors(value: Any) -> bool:
    return isinstance(value, Metadata) or (
        isinstance(value, (list, tuple)) and any(isinstance(item, Metadata) for item in value)
    )


def packed_tensors(value: Any) -> tuple[TensorSpec, TensorSpec | None] | None:
    """The weight and the bias inside the packed parameters of a quantized layer; None for any other value."""
    if not isinstance(value, torch.ScriptObject) or not hasattr(value, "unpack"):
        return None
    with torch._C._DisableTorchDispatch():
        held: list[Any] = [*value.unpack(), None]
    return metadata_of(held[0]).spec, metadata_of(held[1]).spec if isinstance(held[1], torch.Tensor) else None


_ATOMS = {bool, int, float, str, type(None)}


def _plain(value: Any) -> Any:
    """An argument that is no tensor, as JSON has it."""
    if type(value) in _ATOMS or isinstance(value, (int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, torch.dtype):
        return dtype_name(value)
    return str(value)


def flat_results(results: Any) -> tuple[TensorSpec, ...]:
    """The tensors among the results of an operator."""
    if isinstance(results, Metadata):
        return results.specs
    if isinstance(results, (list, tuple)):
        return tuple(spec for item in results for spec in flat_results(item))
    return ()


def _out(results: Any) -> Any:
    if isinstance(results, Metadata):
        return results.spec
    return tuple(map(_out, results)) if isinstance(results, (list, tuple)) else None


def _several(results: Any) -> tuple[Any, tuple[TensorSpec, ...]]:
    """Results that are not one tensor as a formula is given them, and the tensors among them."""
    if isinstance(results, (tuple, list)) and set(map(type, results)) == {Metadata}:
        specs = tuple([each.spec for each in results])
        return specs, specs
    return _out(results), flat_results(results)


@cache
def _rank(dtype: str) -> int:
    """Whether an operator that has such a tensor among others computes in its dtype: the least does."""
    return 0 if dtype.startswith("q") else 2 if dtype.startswith(("bool", "int", "uint")) else 1


def _compute_dtype(inputs: Mapping[str, Specs], outputs: tuple[TensorSpec, ...]) -> str:
    """What an operator computes in: the dtype of its first input that is no index or mask, of a packed weight first."""
    found: list[str] = []
    for specs in (*inputs.values(), *outputs):
        if isinstance(specs, TensorSpec):
            found.append(specs.dtype)
        elif specs is not None:
            found += [spec.dtype for spec in specs if isinstance(spec, TensorSpec)]
    if not found:
        return "none"
    return found[0] if found.count(found[0]) == len(found) else min(found, key=_rank)


def _apart(named: Mapping[str, Any]) -> tuple[dict[str, Specs], dict[str, Any]]:
    """Arguments that hold tensors, as a record has them, and the others."""
    inputs: dict[str, Specs] = {}
    plain: dict[str, Any] = {}
    for name, value in named.items():
        kind = type(value)
        if kind is Metadata:
            inputs[name] = value.spec
        elif kind in _ATOMS:
            plain[name] = value
        elif kind is list and value and type(value[0]) is int:
            plain[name] = value.copy()
        elif _is_tensors(value):
            inputs[name] = _specs(value)
        elif (packed := packed_tensors(value)) is not None:
            inputs[name], inputs["packed_bias"] = packed
        else:
            plain[name] = _plain(value)
    return inputs, plain


def operation(
    info: OperatorInfo,
    args: tuple[Any, ...],
    kwargs: dict[str, Any],
    results: Any,
    decomposed: Callable[[OperatorInfo, tuple[Any, ...], dict[str, Any]], Cost | None],
) -> Operation:
    """One call as a record, with `Metadata` for tensors; `decomposed` gives its cost part by part, or None."""
    named = dict(zip(info.arguments, args, strict=False))
    named.update(kwargs)
    if len(named) < len(info.arguments):
        named = {**info.defaults, **named}
    if (following := sizing.get()) is not None:
        named = following.arguments(named)
    inputs, plain = _apart(named)
    out, outputs = (results.spec, results.specs) if type(results) is Metadata else _several(results)
    if (formula := formula_of(info)) is not None:
        family, source, reason = formula.family, formula.source, formula.reason
        cost: Cost | None = ZERO if reason is not None else bind(formula.rule, {**plain, **inputs}, out)
    else:
        cost, source = _from_torch(info, named, results), "torch"
        if cost is None:
            cost, source = decomposed(info, args, kwargs), "decomposition"
        family, reason = "other", None
    first = inputs.get(info.arguments[0]) if len(inputs) == 1 else None
    if isinstance(first, TensorSpec) and len(outputs) == 1 and outputs[0].dtype == first.dtype:
        dtype = first.dtype
    else:
        dtype = _compute_dtype(inputs, outputs)
    source = source if cost else "none"
    made: Operation = new(Operation, (info.name, family, inputs, plain, outputs, cost, dtype, source, reason, None))
    return made


def _from_torch(info: OperatorInfo, named: Mapping[str, Any], results: Any) -> Cost | None:
    """The cost by a formula registered with `torch.utils.flop_counter.register_flop_formula`."""
    module = sys.modules.get("torch.utils.flop_counter")
    rule = module.flop_registry.get(info.func.overloadpacket) if module else None
    if rule is None:
        return None
    given = {name: as_meta(value) for name, value in named.items()}
    positional = [given.pop(a.name) for a in info.func._schema.arguments if not a.kwarg_only and a.name in given]
    flops = int(rule(*positional, **given, out_val=as_meta(results)))
    return Cost(macs=flops // 2, add=flops % 2)


def as_meta(value: Any) -> Any:
    """Tensors on the meta device for every `Metadata` in nested lists and tuples."""
    if isinstance(value, Metadata):
        return torch.empty_strided(value.shape, value.stride, dtype=value.dtype, device="meta")
    if isinstance(value, (list, tuple)):
        return type(value)(map(as_meta, value))
    return value


def registry_version() -> int:
    """Changes whenever a formula is added or removed."""
    load_formulas()
    return REGISTRY.version


def formula_of(info: OperatorInfo) -> Formula | None:
    """The formula of an operator, if it has one."""
    version, found = info.formula
    if version != REGISTRY.version:
        found = load_formulas().find(info.name)
        info.formula = REGISTRY.version, found
    return found


def is_taken_apart(info: OperatorInfo) -> bool:
    """Whether a composite operator is counted by its parts: it has no formula of the user's."""
    return (formula := formula_of(info)) is None or formula.source == "flopsight"
