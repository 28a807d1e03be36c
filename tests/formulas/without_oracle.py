"""Operators whose formulas the oracle does not prove, or not wholly, and why."""

from __future__ import annotations

ITERATES = "an iteration whose number of steps depends on values: the textbook's leading order, tested as such"
ITERATIVE = dict.fromkeys(
    ("aten::_linalg_eigh", "aten::linalg_eig", "aten::_linalg_eigvals", "aten::linalg_eigvals", "aten::_linalg_svd",
     "prims::svd", "aten::linalg_matrix_exp", "aten::matrix_exp"), ITERATES)  # fmt: skip
"""Operators without a proof by the oracle."""

SHARED = "the bias, which other operators with the same formula have and this one has not"
SHARING = dict.fromkeys(("aten::_mps_convolution_transpose", "aten::cudnn_convolution_transpose"), SHARED)
"""Operators of whose formulas a part is proven for others alone."""
