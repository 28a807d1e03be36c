"""Attention kernels with (B, S, H, D) tensors, or sequences of unequal length packed one behind the other.

Packed tensors are (total, H, D). How long each sequence is stands in the values of `cu_seqlens`, which a formula does
not see: every query counts against the longest key sequence, exact for equal lengths and an upper bound otherwise.
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec
from flopsight.formulas.attention.dense import on_scores
from flopsight.formulas.attention.packing import Packing, cudnn_packing, efficient_window, flash_packing
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


@formula(
    "aten::_flash_attention_forward",
    "aten::_flash_attention_forward_no_dropout_inplace",
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
    return packing.forward(
        value,
        each=on_scores(None, scale, alibi=alibi_slopes is not None),
        dropout_p=dropout_p,
        window=(window_size_left, right),
    )


@formula(
    "aten::_efficient_attention_forward",
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
    window, at_end = efficient_window(custom_mask_type, window_size)
    return packing.forward(value, each=on_scores(bias, scale), dropout_p=dropout_p, window=window, at_end=at_end)


@formula(
    "aten::_cudnn_attention_forward",
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
    return packing.forward(
        value,
        each=on_scores(attn_bias, scale),
        dropout_p=dropout_p,
        window=(None, 0 if is_causal else None),
        at_end=False,
    )
