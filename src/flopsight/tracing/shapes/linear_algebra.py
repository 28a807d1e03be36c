"""Results of linear algebra and of Fourier transforms, whose libraries choose the order in memory."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata, contiguous
from flopsight.tracing.shapes.layout import layout


@layout("aten::linalg_eig")
def _eig(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    values, vectors = results
    return [values, _by_columns(vectors)]


@layout("aten::_linalg_svd")
def _svd(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    left, values, right = results
    return [left, values, right if right.ndim < 2 else _by_columns(right)]


def _by_columns(of: Metadata) -> Metadata:
    *rest, rows, columns = of.shape
    stride = contiguous((*rest, columns, rows))
    return of.like(of.shape, (*stride[:-2], stride[-1], stride[-2]))


@layout("aten::_fft_c2c")
def _c2c(results: Metadata, given: dict[str, Any]) -> Metadata:
    dims = given["dim"]
    return _transformed(given["self"], results, _by_stride(given["self"], dims)) if dims else results


@layout("aten::_fft_r2c")
def _r2c(results: Metadata, given: dict[str, Any]) -> Metadata:
    *others, last = given["dim"]
    return _transformed(given["self"], results, [*_by_stride(given["self"], others), last])


@layout("aten::_fft_c2r")
def _c2r(results: Metadata, given: dict[str, Any]) -> Metadata:
    """Complex over all dimensions but the last, which follows by itself."""
    source = given["self"]
    *others, last = given["dim"]
    if others:
        source = _transformed(source, source, _by_stride(source, others))
    return _transformed(source, results, [last])


def _by_stride(of: Metadata, dims: list[int]) -> list[int]:
    return sorted(dims, key=lambda dim: -of.stride[dim])


def _transformed(source: Metadata, out: Metadata, dims: list[int]) -> Metadata:
    """The result of MKL's transform over `dims`: a C array of the other dimensions, as `source` has them, then those.

    The other dimensions are found as by C++'s `std::partition`, which exchanges, and sorted by stride.
    """
    if source.device_type != "cpu" or not torch.backends.mkl.is_available():
        return out
    order = list(range(source.ndim))
    first, end = 0, source.ndim
    while True:
        while first != end and order[first] not in dims:
            first += 1
        while first != end and order[end - 1] in dims:
            end -= 1
        if first == end:
            break
        order[first], order[end - 1] = order[end - 1], order[first]
        first, end = first + 1, end - 1
    order = [*_by_stride(source, order[:first]), *dims]
    stride, step = [0] * source.ndim, 1
    for dim in reversed(order):
        stride[dim] = step
        step *= out.shape[dim]
    return out.like(out.shape, tuple(stride))
