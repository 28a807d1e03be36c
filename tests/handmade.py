"""Profiles made by hand, for tests of what is done with a profile."""

from __future__ import annotations

from flopsight.calls import ModuleNode, Operation, ParameterRecord, Scope
from flopsight.cost import Cost, TensorSpec
from flopsight.profiles import Profile

M, K, N = 4, 8, 16
LINEAR_COST = Cost(macs=M * K * N, results=M * N, biases=M * N)


def linear(rows: int = M, inner: int = K, columns: int = N) -> Operation:
    """A matrix product with bias."""
    sizes = {"self": (columns,), "mat1": (rows, inner), "mat2": (inner, columns)}
    return Operation(
        operator="aten::addmm.default",
        family="contraction",
        inputs={name: TensorSpec(shape) for name, shape in sizes.items()},
        arguments={},
        outputs=(TensorSpec((rows, columns)),),
        cost=Cost(macs=rows * inner * columns, results=rows * columns, biases=rows * columns),
        dtype="float32",
    )


def relu(*shape: int) -> Operation:
    """A comparison for each element."""
    spec = TensorSpec(shape)
    return Operation(
        "aten::relu.default", "activation", {"self": spec}, {}, (spec,), Cost(compare=spec.numel), "float32"
    )


def unknown(site: str | None = "net.py:12") -> Operation:
    """An operator without a formula."""
    spec = TensorSpec((M, N))
    return Operation("mylib::scan.default", "unknown", {"x": spec}, {}, (spec,), None, "float32", site=site)


def parameter(name: str, *shape: int, identity: int, trainable: bool = True, buffer: bool = False) -> ParameterRecord:
    """A parameter or buffer."""
    return ParameterRecord(name, TensorSpec(shape), trainable, buffer, identity)


def module(path: str, kind: str, *parameters: ParameterRecord, calls: int = 1) -> ModuleNode:
    """A module that takes and returns M x N."""
    specs = (TensorSpec((M, N)),) if calls else ()
    return ModuleNode(path, kind, tuple(parameters), calls, specs, specs)


def profile(
    modules: list[ModuleNode],
    calls: list[tuple[Operation, str] | tuple[Operation, str, int]] | None = None,
    notes: list[str] | None = None,
) -> Profile:
    """A profile of modules and of operator calls, each with its module's path and its phase."""
    paths = [node.path for node in modules]
    operations: dict[Operation, int] = {}
    made = []
    for operation, path, *phase in calls or []:
        made.append((operations.setdefault(operation, len(operations)), paths.index(path), phase[0] if phase else 0))
    record = Profile(
        model=modules[0].kind if modules else "Empty",
        operations=list(operations),
        scopes=[Scope(path, -1 if not index else 0) for index, path in enumerate(paths)],
        calls=made,
        modules={node.path: node for node in modules},
        notes=notes or [],
    )
    record.self_check()
    return record


def empty() -> Profile:
    """A module that has nothing and does nothing."""
    return profile([module("", "Identity", calls=0)])


def classifier() -> Profile:
    """A linear layer and an activation."""
    weight, bias = parameter("weight", N, K, identity=1), parameter("bias", N, identity=2)
    modules = [module("", "Net"), module("fc", "Linear", weight, bias), module("act", "ReLU")]
    return profile(modules, [(linear(), "fc"), (relu(M, N), "act")])


def stack(layers: int = 3, *, calls: int = 1) -> Profile:
    """Equal blocks in a `ModuleList`, each a linear layer, and a product of the block's own code."""
    product = linear()
    modules = [module("", "Net"), module("layers", "ModuleList", calls=0)]
    ran: list[tuple[Operation, str]] = []
    for index in range(layers):
        path = f"layers.{index}"
        weight = parameter("weight", N, K, identity=index)
        modules += [module(path, "Block", calls=calls), module(f"{path}.fc", "Linear", weight, calls=calls)]
        ran += [(product, path), (product, f"{path}.fc")] * calls
    return profile(modules, list(ran))
