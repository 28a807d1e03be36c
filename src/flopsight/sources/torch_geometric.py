"""`torch_geometric:NAME`: the graph networks of torch_geometric, on a graph of the size of Cora.

NAME is a model of `torch_geometric.nn.models` that reads nodes and edges (`GCN`, `GAT`, `GIN`); constructor arguments
are its own, as in `torch_geometric:GAT(heads=8, num_layers=3)`. What it needs and is not given is what is usual there.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from flopsight.errors import InputError, near
from flopsight.sources import Request, Source, Workload
from flopsight.sources._constructor import refuse_missing, required
from flopsight.sources._optional import require

NODES, EDGES, FEATURES, CLASSES = 2708, 10556, 1433, 7
"""Of Cora, the graph of citations that such networks are first tried on."""

_USUAL = {
    "in_channels": FEATURES,
    "hidden_channels": 64,
    "out_channels": CLASSES,
    "num_layers": 2,
    "num_nodes": NODES,
    "edge_dim": 1,
    "num_timesteps": 2,
}
_STATED = ("in_channels", "out_channels")
"""What is given to a constructor even where it has a default, because the graph decides it."""


def _models() -> Any:
    require("torch_geometric", use="A model named torch_geometric:...")
    return require("torch_geometric.nn.models", use="A model named torch_geometric:...")


def names() -> list[str]:
    """Every model that reads nodes and edges and is made of nothing but sizes."""
    models = vars(_models())
    return sorted(name for name in models if _reads_graph(models[name]) and not _missing(models[name], {}))


def build(request: Request) -> Workload:
    """The model, and a graph: features of its nodes, and for each edge its two ends."""
    kind = getattr(_models(), request.address, None)
    if kind is None or not _reads_graph(kind):
        raise InputError(
            f"torch_geometric has no model {request.address!r} of nodes and edges.{near(request.address, names())}"
        )
    request.refuse_unused(())
    arguments = {**_given(kind), **request.arguments}
    refuse_missing("torch_geometric", request.address, _missing(kind, arguments))
    model = request.make(kind, **arguments)
    wanted = inspect.signature(model.forward).parameters
    graph = _graph(arguments.get("in_channels", FEATURES), arguments.get("edge_dim", 1))
    needed = [
        name for name, parameter in wanted.items() if parameter.default is parameter.empty or name == "edge_index"
    ]
    inputs = {name: graph[name] for name in needed if name in graph}
    return Workload(model, () if len(inputs) == len(needed) else None, inputs, request.address)


def _reads_graph(kind: Any) -> bool:
    reads = inspect.signature(kind.forward).parameters if isinstance(kind, type) and hasattr(kind, "forward") else {}
    return "x" in reads and "edge_index" in reads


def _given(kind: Any) -> dict[str, Any]:
    stated = [name for name in _STATED if name in inspect.signature(kind).parameters]
    return {name: value for name, value in _USUAL.items() if name in (*required(kind), *stated)}


def _missing(kind: Any, arguments: Mapping[str, Any]) -> list[str]:
    """Arguments that the constructor needs, and has neither from a user nor as usual."""
    return [name for name in required(kind) if name not in arguments and name not in _USUAL]


def _graph(features: int, edge_features: int) -> dict[str, Any]:
    import torch

    edges = torch.arange(EDGES)
    return {
        "x": (NODES, features),
        "edge_index": torch.stack([edges % NODES, (7 * edges + 1) % NODES]),
        "edge_attr": (EDGES, edge_features),
        "batch": torch.zeros(NODES, dtype=torch.int64),
    }


SOURCE = Source(
    "torch_geometric",
    "torch_geometric:NAME",
    "a graph network of torch_geometric",
    build,
    names=names,
    aliases=("pyg", "geometric"),
)
