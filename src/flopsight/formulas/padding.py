"""Backward of padding, sliding windows and unfolding: gradients that overlap are added, one addition an element."""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.parts import added
from flopsight.formulas.registry import Case, formula


@formula(
    "aten::reflection_pad1d_backward", "aten::reflection_pad2d_backward", "aten::reflection_pad3d_backward",
    "aten::replication_pad1d_backward", "aten::replication_pad2d_backward", "aten::replication_pad3d_backward",
    case=Case({"grad_output": (2, 3, 8)}, (2, 3, 4), Cost(add=48)),
)  # fmt: skip
def pad_backward(grad_output: TensorSpec) -> Cost:
    """dx[where it came from] += dy, from zeros: an addition for each element of dy."""
    return added(grad_output, grad_output.numel)


@formula("aten::unfold_backward", case=Case({"grad_in": (2, 3, 4)}, (2, 6), Cost(add=24)))
def unfold_backward(grad_in: TensorSpec) -> Cost:
    """dx[position in the window] += dy, from zeros: an addition for each element of dy."""
    return added(grad_in, grad_in.numel)


@formula("aten::col2im", case=Case({"self": (2, 12, 9)}, (2, 3, 4, 4), Cost(add=216)))
def col2im(self: TensorSpec) -> Cost:
    """y[position in the block] += x, from zeros: an addition for each element of x, also in the padding."""
    return added(self, self.numel)
