"""torchstat's rows, and how it sums them up along the tree of module names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Stat:
    """One row: a layer, or layers that lie together."""

    name: str
    input_shape: tuple[int, ...] = ()
    output_shape: tuple[int, ...] = ()
    params: int = 0
    memory: float = 0.0
    madd: int = 0
    flops: int = 0
    read: int = 0
    written: int = 0
    duration: float = 0.0

    def __add__(self, other: Stat) -> Stat:
        """Figures added up; name and shapes stay."""
        return replace(
            self,
            params=self.params + other.params,
            memory=self.memory + other.memory,
            madd=self.madd + other.madd,
            flops=self.flops + other.flops,
            read=self.read + other.read,
            written=self.written + other.written,
            duration=self.duration + other.duration,
        )


@dataclass
class _Node:
    stat: Stat
    children: dict[str, _Node] = field(default_factory=dict)

    @property
    def depth(self) -> int:
        """1 for a layer, and one more than the deepest child otherwise."""
        return 1 + max((child.depth for child in self.children.values()), default=0)

    def summed(self) -> Stat:
        """The node's own figures and those of all below it."""
        return sum((child.summed() for child in self.children.values()), self.stat)


def collect(leaves: Sequence[Stat], containers: Mapping[str, Stat], granularity: int) -> list[Stat]:
    """Rows of the nodes that are `granularity` deep, and of shallower ones that stand beside nodes as deep as that.

    containers: by name, what is known of a node that is not a layer: its shapes.
    """
    root = _Node(Stat("root"))
    for leaf in leaves:
        node, path = root, ""
        for part in leaf.name.split("."):
            path = f"{path}.{part}" if path else part
            node = node.children.setdefault(path, _Node(containers.get(path, Stat(path))))
        node.stat = leaf
    return [node.summed() for node in _chosen(root, 0, granularity)]


def _chosen(node: _Node, deepest_beside: int, granularity: int) -> Iterator[_Node]:
    if node.depth == granularity or node.depth < granularity <= deepest_beside:
        yield node
    deepest = max((child.depth for child in node.children.values()), default=0)
    for child in node.children.values():
        yield from _chosen(child, deepest, granularity)
