"""Matrix products.   B batch · M rows of the left matrix · K shared · N columns of the right matrix"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec, contraction
from flopsight.formulas.registry import Case, formula


@formula("aten::bmm", case=Case({"self": (3, 4, 5), "mat2": (3, 5, 6)}, (3, 4, 6), Cost(macs=3 * 4 * 6 * 5, results=3 * 4 * 6)))
def bmm(self: TensorSpec, mat2: TensorSpec) -> Cost:
    """B*M*N results, each a dot product of length K."""
    B, M, K = self.shape
    return contraction(outputs=B * M * mat2.shape[-1], length=K)
