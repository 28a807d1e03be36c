"""Sparse tensors made, read and summed, by the elements that are stored.   S stored · n elements of a dense one

Positions are index work and left out.
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec
from flopsight.formulas.parts import multiplied, reduced, summed
from flopsight.formulas.registry import Case, formula, zero

_COPIES = """
    _convert_indices_from_coo_to_csr _convert_indices_from_csr_to_coo _convert_weight_to_int4pack
    _convert_weight_to_int4pack_for_cpu _cslt_compress _dyn_quant_pack_4bit_weight _nested_sum_backward
    _sparse_sum_backward _to_dense sparse_mask
"""
zero(
    "copies stored elements to or from another layout", *(f"aten::{name}" for name in _COPIES.split()), family="sparse"
)


@formula(
    "aten::_to_sparse", "aten::_to_sparse_csr", "aten::_to_sparse_csc", "aten::_to_sparse_bsr", "aten::_to_sparse_bsc",
    case=Case({"self": (3, 4)}, TensorSpec((3, 4), stored=5), Cost(compare=12)),
)  # fmt: skip
def to_sparse(self: TensorSpec) -> Cost:
    """x != 0 for each element of a dense tensor: n comparisons; a sparse one is only laid out anew."""
    return ZERO if self.stored is not None else Cost(compare=self.numel)


def _stored(tensor: TensorSpec) -> int:
    return tensor.numel if tensor.stored is None else tensor.stored


@formula(
    "aten::_sparse_csr_sum",
    case=Case({"self": TensorSpec((3, 4), stored=7)}, TensorSpec((3, 1), stored=3), Cost(add=7 - 3)),
)
def csr_sum(self: TensorSpec, out: TensorSpec) -> Cost:
    """x1 + x2 + ... of what is stored: an addition fewer than elements are joined to a result."""
    return summed(self, _stored(self), _stored(out))


@formula(
    "aten::_sparse_csr_prod",
    case=Case({"self": TensorSpec((3, 4), stored=7)}, TensorSpec((3, 1), stored=3), Cost(multiply=7 - 3)),
)
def csr_prod(self: TensorSpec, out: TensorSpec) -> Cost:
    """x1 * x2 * ... of what is stored: a product fewer than elements are joined to a result."""
    return multiplied(self, reduced(_stored(self), _stored(out)))
