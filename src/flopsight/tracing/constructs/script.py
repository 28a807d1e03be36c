"""TorchScript nodes that PyTorch runs past its dispatcher, where no mode sees them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

from flopsight.calls import Operation


def unseen(module: Any) -> list[Operation]:
    """The oneDNN nodes in a scripted module that `torch.jit.optimize_for_inference` made, as unknown operations."""
    if not hasattr(module, "forward"):
        return []
    kinds = Counter(node.kind() for node in _nodes(module.inlined_graph) if _is_past_dispatcher(node.kind()))
    return [
        Operation(kind, "other", {}, {}, (), None, "none", "none")
        for kind, times in kinds.items()
        for _ in range(times)
    ]


def _nodes(block: Any) -> Iterator[Any]:
    for node in block.nodes():
        yield node
        for inner in node.blocks():
            yield from _nodes(inner)


def _is_past_dispatcher(kind: str) -> bool:
    namespace, _, name = kind.partition("::")
    if namespace == "mkldnn":
        return True
    return namespace == "prim" and "dnn" in name.lower() and not name.startswith(("Constant", "Broadcast"))
