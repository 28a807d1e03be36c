"""Look-ups: elements, rows and bags of them, by position."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.elementwise import broadcast
from flopsight.tracing.shapes.layout import layout
from flopsight.tracing.shapes.rules import Mismatch, Result, rule
from flopsight.tracing.shapes.strides import broadcast_strides, iterated

_POSITIONS = (torch.int64, torch.int32)


@rule("aten::embedding")
def _embedding(
    weight: Metadata, indices: Metadata, padding_idx: int = -1, scale_grad_by_freq: bool = False, sparse: bool = False
) -> Result:
    if indices.dtype not in _POSITIONS:  # not every version's meta kernel asks
        raise Mismatch(
            "Expected tensor for argument #1 'indices' to have one of the following scalar types: Long, Int; but got "
            f"{indices.dtype} instead (while checking arguments for embedding)"
        )
    if weight.ndim != 2:
        return None
    return weight.like((*indices.shape, weight.shape[1]))


@rule("aten::index")
def _indexed(self: Metadata, indices: list[Metadata | None]) -> Result:
    """By positions; those in neighbouring dimensions stand in the place of these, others in front."""
    used = [axis for axis, index in enumerate(indices) if index is not None]
    given = [index for index in indices if index is not None]
    found = broadcast(*(index.shape for index in given))
    if found is None or self.numel == 0 or len(indices) > self.ndim:
        return None
    if any(index.dtype not in _POSITIONS or index.device != self.device for index in given):
        return None
    before = used[0] if used[-1] - used[0] < len(used) else 0
    kept = [size for axis, size in enumerate(self.shape) if axis not in used]
    shape = (*kept[:before], *found, *kept[before:])
    return _index(self.like(shape), {"self": self, "indices": indices})


@layout("aten::index")
def _index(results: Metadata, given: dict[str, Any]) -> Metadata:
    """Element by element of the tensor, whose indexed dimensions stand still, and of the indices."""
    source, indices = given["self"], list(given["indices"])
    indices += [None] * (source.ndim - len(indices))
    used = [axis for axis, index in enumerate(indices) if index is not None]
    before = used[0] if used[-1] - used[0] < len(used) else 0
    kept = [stride for axis, stride in enumerate(source.stride) if axis not in used]
    found = results.shape[before : before + results.ndim - len(kept)]
    operands = [source.like(results.shape, (*kept[:before], *(0,) * len(found), *kept[before:]))]
    for index in (indices[axis] for axis in used):
        inside = broadcast_strides(index, found)
        size = inside[0] * found[0] if found else 1
        rest = len(kept) - before
        shape = (*(1,) * before, *found, *(1,) * rest)
        operands.append(index.like(shape, (*(size,) * before, *inside, *(1,) * rest)))
    return results.like(results.shape, iterated(results.shape, operands))


@layout("aten::_embedding_bag")
def _embedding_bag(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    """Beside the sums: the bag of each index, which the fast kernel does without, the bags' sizes, and their maxima."""
    weight, indices, scale = given["weight"], given["indices"], given["per_sample_weights"]
    if weight.device_type != "cpu":
        return results
    bags, of_indices = results[0], indices.like((indices.numel,))
    by_rows = weight.stride[1] == 1 and (scale is None or scale.stride[0] == 1)
    fast = given["mode"] == 0 and by_rows and given["padding_idx"] < 0 and weight.dtype is not torch.float64
    sizes = indices.like(bags.shape[:1])
    maxima = sizes.like(bags.shape) if given["mode"] == 2 else sizes
    return [bags, of_indices.like((0,)) if fast else of_indices, sizes, maxima]


@layout("aten::_embedding_bag_forward_only")
def _embedding_bag_forward_only(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    """Without a backward pass, the sizes of sums are not cut off at the last offset."""
    bags, of_indices, *rest = _embedding_bag(results, given)
    whole = given["mode"] == 0 and given["weight"].device_type == "cpu"
    return [bags, of_indices, *(of.like(given["offsets"].shape) if whole else of for of in rest)]
