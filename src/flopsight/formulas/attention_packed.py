"""Attention kernels with (B, S, H, D) tensors, or sequences of unequal length packed one behind the other.

Packed tensors are (total, H, D). How long each sequence is stands in the values of `cu_seqlens`, which a formula does
not see: every query counts against the longest key sequence, exact for equal lengths and an upper bound otherwise.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.attention import attention, on_scores
from flopsight.formulas.attention_masks import hidden
from flopsight.formulas.registry import Case, formula

_CASE_COST = Cost(
    macs=2 * 3 * 4 * 5 * (8 + 6),
    results=2 * 3 * 4 * 5 + 2 * 3 * 4 * 6,
    multiply=2 * 3 * 4 * 5,
    compare=2 * 3 * 4 * (5 - 1),
    add=2 * 3 * 4 * (5 + 5 - 1),
    special=2 * 3 * 4 * 5,
    divide=2 * 3 * 4 * 5,
)


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


@formula(
    "aten::_flash_attention_forward",
    "aten::_flash_attention_forward_no_dropout_inplace",
    family="attention",
    case=Case(
        {
            "query": (2, 4, 3, 8),
            "key": (2, 5, 3, 8),
            "value": (2, 5, 3, 6),
            "cum_seq_q": None,
            "max_q": 4,
            "max_k": 5,
            "dropout_p": 0.0,
            "is_causal": False,
        },
        (2, 4, 3, 6),
        _CASE_COST,
    ),
)
def flash_attention(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    cum_seq_q: TensorSpec | None,
    max_q: int,
    max_k: int,
    dropout_p: float,
    is_causal: bool,
    scale: float | None = None,
    window_size_left: int | None = None,
    window_size_right: int | None = None,
    alibi_slopes: TensorSpec | None = None,
    block_table: TensorSpec | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, softmaxed; B*H*Sq*Dv results of length Sk; causal is aligned at the end."""
    packing = flash_packing(query, key, cum_seq_q, (max_q, max_k), block_table)
    right = 0 if is_causal else window_size_right
    return attention(
        packing.rows * packing.heads,
        packing.keys,
        (packing.width, value.shape[-1]),
        each=on_scores(None, scale, alibi=alibi_slopes is not None),
        dropout_p=dropout_p,
        masked=packing.hidden(window_size_left, right, at_end=True),
    )


def efficient_window(custom_mask_type: int, window_size: int | None) -> tuple[int | None, int | None, bool]:
    """Bounds left and right of a query, and whether aligned at the end; types: 0 none, 1 top left, 2 bottom right."""
    left = window_size - 1 if window_size else None
    return left, 0 if custom_mask_type else None, custom_mask_type == 2


@formula(
    "aten::_efficient_attention_forward",
    family="attention",
    case=Case(
        {
            "query": (2, 4, 3, 8),
            "key": (2, 5, 3, 8),
            "value": (2, 5, 3, 6),
            "bias": None,
            "cu_seqlens_q": None,
            "max_seqlen_q": None,
            "max_seqlen_k": None,
            "dropout_p": 0.0,
            "custom_mask_type": 0,
        },
        (2, 4, 3, 6),
        _CASE_COST,
    ),
)
def efficient_attention(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    bias: TensorSpec | None,
    cu_seqlens_q: TensorSpec | None,
    max_seqlen_q: int | None,
    max_seqlen_k: int | None,
    dropout_p: float,
    custom_mask_type: int,
    scale: float | None = None,
    window_size: int | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, biased, softmaxed; B*H*Sq*Dv results of length Sk."""
    packing = Packing(query, key, cu_seqlens_q is not None, (max_seqlen_q, max_seqlen_k))
    left, right, at_end = efficient_window(custom_mask_type, window_size)
    return attention(
        packing.rows * packing.heads,
        packing.keys,
        (packing.width, value.shape[-1]),
        each=on_scores(bias, scale),
        dropout_p=dropout_p,
        masked=packing.hidden(left, right, at_end=at_end),
    )


@formula(
    "aten::_cudnn_attention_forward",
    family="attention",
    case=Case(
        {
            "query": (2, 3, 4, 8),
            "key": (2, 3, 5, 8),
            "value": (2, 3, 5, 6),
            "attn_bias": None,
            "cum_seq_q": None,
            "max_q": 4,
            "max_k": 5,
        },
        (2, 3, 4, 6),
        _CASE_COST,
    ),
)
def cudnn_attention(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    attn_bias: TensorSpec | None,
    cum_seq_q: TensorSpec | None,
    max_q: int,
    max_k: int,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, biased, softmaxed; B*H*Sq*Dv results of length Sk.

    Tensors are (B, H, S, D) unless packed; causal is aligned at the beginning.
    """
    packing = cudnn_packing(query, key, cum_seq_q, (max_q, max_k))
    return attention(
        packing.rows * packing.heads,
        packing.keys,
        (packing.width, value.shape[-1]),
        each=on_scores(attn_bias, scale),
        dropout_p=dropout_p,
        masked=packing.hidden(None, 0 if is_causal else None, at_end=False),
    )


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
