"""Recurrent layers."""

from __future__ import annotations

from typing import Any

import torch

from flopsight.tracing.metadata import Metadata
from flopsight.tracing.shapes.layout import layout


@layout("aten::mkldnn_rnn_layer")
def _mkldnn_rnn_layer(results: list[Metadata], given: dict[str, Any]) -> list[Metadata]:
    """The last result is memory of oneDNN's own, kept for the backward pass: gates, states of five kinds, and outputs
    of T steps of B sequences, each from a page on, in rows of a length that is kind to caches.
    """
    steps, batch, inputs = given["input"].shape
    hidden = given["hidden_size"]
    states = 2 * (steps + 1) * batch
    rows = [
        (steps * batch, row(4 * hidden)), (states, row(max(inputs, hidden))), (states, row(max(inputs, hidden))),
        (states, row(max(inputs, hidden))), (states, hidden), (states, hidden), (steps * batch, row(hidden)),
    ]  # fmt: skip
    pages = sum(-(-count * length * results[0].dtype.itemsize // _PAGE_BYTES) for count, length in rows)
    return [*results[:3], results[3].like((pages * _PAGE_BYTES,), dtype=torch.uint8)]


_PAGE_BYTES = 4096


def row(length: int) -> int:
    """The length of a row of so many numbers in oneDNN's memory: of whole cache lines, but not of whole KiB."""
    length = -(-length // 16) * 16
    return length + 16 if length % 256 == 0 else length
