"""Writes to tensors whose elements share memory, as those of `expand` do: PyTorch refuses nearly all of them."""

from __future__ import annotations

from flopsight.tracing.metadata import Metadata

_WRITES_ANYWAY = {
    "addmv_", "baddbmm_", "conj_physical_", "fill_", "fill_diagonal_", "index_fill_", "index_put_", "masked_fill_",
    "nan_to_num_", "threshold_", "tril_", "triu_", "zero_",
}  # fmt: skip
"""Operators of PyTorch's that write in place and do not ask, or only warn."""


def refuse_overlap(operator: str, target: Metadata) -> None:
    """Raises: RuntimeError, in PyTorch's words, where `namespace::name` would write to elements that share memory.

    The backward pass through a view that was written copies gradients to such a view, and ends so too.
    """
    if 0 not in target.stride:
        return
    namespace, _, name = operator.partition("::")
    if namespace != "aten" or not name.endswith("_") or name.startswith("_") or name in _WRITES_ANYWAY:
        return
    repeated = any(stride == 0 and size > 1 for size, stride in zip(target.shape, target.stride, strict=True))
    if repeated and target.numel:
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a single memory location. "
            "Please clone() the tensor before performing the operation."
        )
