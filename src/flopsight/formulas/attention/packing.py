"""How the arguments of packed kernels map to attention: sequences, their lengths, and what a window leaves out.

Letters as in `packed`.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec, product
from flopsight.formulas.attention.dense import attention, gradients
from flopsight.formulas.attention.masks import hidden

Window = tuple[int | None, int | None]
"""How many keys left and right of a query it sees; None, or less than 0, for all."""


class Packing:
    """How many sequences there are, how long; of packed ones, as many of the longest as there can be.

    sequences: full ones. rows: queries of all of them. queries, keys: of the longest.
    """

    def __init__(
        self, query: TensorSpec, key: TensorSpec, packed: bool, longest: tuple[int | None, int | None]
    ) -> None:
        longest_q, longest_k = longest
        self.heads, self.width = query.shape[-2:]
        if packed:
            self.rows = query.shape[-3]
            self.queries = query.shape[-3] if longest_q is None else longest_q
            self.keys = key.shape[-3] if longest_k is None else longest_k
            self.sequences = self.rows // self.queries if self.queries else 0
        else:
            self.sequences, self.queries = query.shape[0], query.shape[-3]
            self.keys = key.shape[-3]
            self.rows = self.sequences * self.queries

    def hidden(self, left: int | None, right: int | None, *, at_end: bool) -> int:
        """Scores that a causal mask or window surely leaves out, all heads together."""
        shift = self.keys - self.queries if at_end else 0
        return self.sequences * self.heads * hidden(self.queries, self.keys, left=left, right=right, shift=shift)

    def forward(self, value: TensorSpec, *, each: Cost, dropout_p: float, window: Window, at_end: bool = True) -> Cost:
        """Attention of every query to the longest key sequence; window: bounds left and right of a query."""
        return attention(
            self.rows * self.heads,
            self.keys,
            (self.width, value.shape[-1]),
            each=each,
            dropout_p=dropout_p,
            masked=self.hidden(*window, at_end=at_end),
        )

    def backward(
        self,
        key: TensorSpec,
        value: TensorSpec,
        *,
        each: Cost,
        dropout_p: float,
        scale: float | None,
        window: Window,
        at_end: bool = True,
    ) -> Cost:
        """The gradients of `forward`."""
        return gradients(
            self.rows * self.heads,
            self.keys,
            product(key.shape[:-1]),
            (self.width, value.shape[-1]),
            each=each,
            dropout_p=dropout_p,
            scaled=scale != 1,
            masked=self.hidden(*window, at_end=at_end),
        )


def flash_packing(
    query: TensorSpec,
    key: TensorSpec,
    cum_seq_q: TensorSpec | None,
    longest: tuple[int | None, int | None],
    block_table: TensorSpec | None = None,
) -> Packing:
    """Of a flash call; the keys of a paged cache (`block_table`) lie in blocks, and max_k tells how many there are."""
    if block_table is not None and longest[1] is not None:
        key = TensorSpec((longest[1], *key.shape[-2:]))
    return Packing(query, key, cum_seq_q is not None, longest)


def cudnn_packing(
    query: TensorSpec, key: TensorSpec, cum_seq_q: TensorSpec | None, longest: tuple[int, int]
) -> Packing:
    """Of a cuDNN call, whose unpacked tensors have the heads before the sequence."""
    if cum_seq_q is None:
        query, key = _sequence_first(query), _sequence_first(key)
    return Packing(query, key, cum_seq_q is not None, longest)


def _sequence_first(tensor: TensorSpec) -> TensorSpec:
    batch, heads, length, width = tensor.shape
    return TensorSpec((batch, length, heads, width), tensor.dtype)


def efficient_window(custom_mask_type: int, window_size: int | None) -> tuple[Window, bool]:
    """The window, and whether it is aligned at the end; types: 0 none, 1 top left, 2 bottom right."""
    left = window_size - 1 if window_size else None
    return (left, 0 if custom_mask_type else None), custom_mask_type == 2
