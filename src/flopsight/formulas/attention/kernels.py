"""Attention of other packages, by the names they register: flash_attn, xformers, NATTEN.

B batch · H query heads · Sq queries · Sk keys · D width of query and key · Dv of value · W keys of a neighbourhood

A package that is not installed costs nothing here. Names and arguments are those of flash_attn 2.8, xformers 0.0.32 and
NATTEN 0.21; flash_attn aligns a causal mask at the end.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec, product
from flopsight.formulas.attention.dense import attention, gradients, on_scores
from flopsight.formulas.attention.packing import Packing, efficient_window, flash_packing
from flopsight.formulas.registry import Case, formula

SOFTCAP = Cost(multiply=2, special=1)
"""cap * tanh(score / cap), the division being a product with 1 / cap"""


def _each(scale: float | None, alibi: TensorSpec | None, softcap: float) -> Cost:
    return on_scores(None, scale, alibi=alibi is not None) + (SOFTCAP if softcap else ZERO)


_QKV = {"q": (2, 4, 3, 8), "k": (2, 5, 3, 8), "v": (2, 5, 3, 6)}
_GIVEN = {**_QKV, "dropout_p": 0.0, "softmax_scale": 0.5, "causal": False}
_N = 2 * 3 * 4 * 5
_COST = Cost(
    macs=_N * (8 + 6), results=_N + 24 * 6, multiply=_N, compare=_N - 24, add=2 * _N - 24, special=_N, divide=_N
)
_BACKWARD = Cost(
    macs=_N * (3 * 8 + 2 * 6),
    results=2 * _N + 24 * 8 + 30 * (8 + 6),
    multiply=3 * _N + 24 * 6,
    add=2 * _N + 24 * (6 - 1),
    special=_N,
)


@formula(
    "flash_attn::_flash_attn_forward", "flash_attn::_flash_attn_varlen_forward",
    case=Case(_GIVEN, ((2, 4, 3, 6),), _COST),
)  # fmt: skip
def flash_attn(
    q: TensorSpec,
    k: TensorSpec,
    v: TensorSpec,
    dropout_p: float,
    softmax_scale: float,
    causal: bool,
    window_size_left: int = -1,
    window_size_right: int = -1,
    softcap: float = 0.0,
    alibi_slopes: TensorSpec | None = None,
    cu_seqlens_q: TensorSpec | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    block_table: TensorSpec | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, softmaxed; B*H*Sq*Dv results of length Sk; causal is aligned at the end."""
    packing = flash_packing(q, k, cu_seqlens_q, (max_seqlen_q, max_seqlen_k), block_table)
    each = _each(softmax_scale, alibi_slopes, softcap)
    return packing.forward(
        v, each=each, dropout_p=dropout_p, window=(window_size_left, 0 if causal else window_size_right)
    )


@formula(
    "flash_attn::_flash_attn_backward", "flash_attn::_flash_attn_varlen_backward",
    case=Case(_GIVEN, ((2, 3, 128),), _BACKWARD),
)  # fmt: skip
def flash_attn_backward(
    q: TensorSpec,
    k: TensorSpec,
    v: TensorSpec,
    dropout_p: float,
    softmax_scale: float,
    causal: bool,
    window_size_left: int = -1,
    window_size_right: int = -1,
    softcap: float = 0.0,
    alibi_slopes: TensorSpec | None = None,
    cu_seqlens_q: TensorSpec | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
) -> Cost:
    """Five products, B*H*Sq*Sk*(3*D + 2*Dv) multiply-accumulates: the scores again, and three gradients.

    Left out: the derivative of a softcap.
    """
    packing = flash_packing(q, k, cu_seqlens_q, (max_seqlen_q, max_seqlen_k))
    each = _each(softmax_scale, alibi_slopes, softcap)
    window = (window_size_left, 0 if causal else window_size_right)
    return packing.backward(k, v, each=each, dropout_p=dropout_p, scale=softmax_scale, window=window)


@formula("flash_attn_3::fwd", case=Case({**_QKV, "is_causal": False}, ((2, 4, 3, 6),), _COST))
def flash_attn_3(
    q: TensorSpec,
    k: TensorSpec,
    v: TensorSpec,
    is_causal: bool,
    softmax_scale: float | None = None,
    window_size_left: int = -1,
    window_size_right: int = -1,
    softcap: float = 0.0,
    cu_seqlens_q: TensorSpec | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    page_table: TensorSpec | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, softmaxed; B*H*Sq*Dv results of length Sk; causal is aligned at the end.

    Left out: rotary embedding and writing new keys, which a decoding call may ask for.
    """
    packing = flash_packing(q, k, cu_seqlens_q, (max_seqlen_q, max_seqlen_k), page_table)
    window = (window_size_left, 0 if is_causal else window_size_right)
    return packing.forward(v, each=_each(softmax_scale, None, softcap), dropout_p=0.0, window=window)


_NAMED = {"query": (2, 4, 3, 8), "key": (2, 5, 3, 8), "value": (2, 5, 3, 6)}
_FLASH = {**_NAMED, "p": 0.0, "softmax_scale": 0.5, "is_causal": False, "window_left": -1, "window_right": -1}


@formula("xformers_flash::flash_fwd", case=Case(_FLASH, ((2, 4, 3, 6),), _COST))
def xformers_flash(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    p: float,
    softmax_scale: float,
    is_causal: bool,
    window_left: int,
    window_right: int,
    cu_seqlens_q: TensorSpec | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, softmaxed; B*H*Sq*Dv results of length Sk; causal is aligned at the end."""
    packing = flash_packing(query, key, cu_seqlens_q, (max_seqlen_q, max_seqlen_k))
    window = (window_left, 0 if is_causal else window_right)
    return packing.forward(value, each=on_scores(None, softmax_scale), dropout_p=p, window=window)


@formula("xformers_flash::flash_bwd", case=Case(_FLASH, ((2, 4, 3, 8),), _BACKWARD))
def xformers_flash_backward(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    p: float,
    softmax_scale: float,
    is_causal: bool,
    window_left: int,
    window_right: int,
    cu_seqlens_q: TensorSpec | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
) -> Cost:
    """Five products, B*H*Sq*Sk*(3*D + 2*Dv) multiply-accumulates: the scores again, and three gradients."""
    packing = flash_packing(query, key, cu_seqlens_q, (max_seqlen_q, max_seqlen_k))
    window = (window_left, 0 if is_causal else window_right)
    return packing.backward(
        key, value, each=on_scores(None, softmax_scale), dropout_p=p, scale=softmax_scale, window=window
    )


@formula(
    "xformers::efficient_attention_forward_cutlass",
    case=Case({**_NAMED, "dropout_p": 0.0, "custom_mask_type": 0}, ((2, 4, 3, 6),), _COST),
)
def xformers_cutlass(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    dropout_p: float,
    custom_mask_type: int,
    attn_bias: TensorSpec | None = None,
    bias: TensorSpec | None = None,
    seqstart_q: TensorSpec | None = None,
    cu_seqlens_q: TensorSpec | None = None,
    max_seqlen_q: int | None = None,
    max_seqlen_k: int | None = None,
    scale: float | None = None,
    window_size: int | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, biased, softmaxed; B*H*Sq*Dv results of length Sk."""
    packed = seqstart_q is not None or cu_seqlens_q is not None
    packing = Packing(query, key, packed, (max_seqlen_q, max_seqlen_k))
    window, at_end = efficient_window(custom_mask_type, window_size)
    return packing.forward(
        value, each=on_scores(attn_bias or bias, scale), dropout_p=dropout_p, window=window, at_end=at_end
    )


_KINDS = ("", "hopper_", "blackwell_", "reference_")
_NEIGHBOURS = {"query": (2, 7, 3, 8), "key": (2, 7, 3, 8), "value": (2, 7, 3, 6), "kernel_size": [5], "scale": 0.5}
_P = 2 * 7 * 3 * 5


@formula(
    *(f"natten::{kind}na{d}d_forward" for kind in _KINDS for d in (1, 2, 3)),
    case=Case(
        _NEIGHBOURS,
        ((2, 7, 3, 6), (2, 7, 3)),
        Cost(
            macs=_P * (8 + 6),
            results=_P + 42 * 6,
            multiply=_P,
            compare=_P - 42,
            add=2 * _P - 42,
            special=_P,
            divide=_P,
        ),
    ),
)
def neighbourhood(query: TensorSpec, value: TensorSpec, kernel_size: Sequence[int], scale: float | None = None) -> Cost:
    """Every query against the W = prod(kernel) keys around it: B*H*Sq*W scores of length D, B*H*Sq*Dv results.

    A causal dimension leaves out keys that are counted here.
    """
    rows, widths = product(query.shape[:-1]), (query.shape[-1], value.shape[-1])
    return attention(rows, product(kernel_size), widths, each=on_scores(None, scale))


@formula(
    *(f"natten::{kind}na{d}d_backward" for kind in _KINDS for d in (1, 2, 3)),
    case=Case(
        _NEIGHBOURS,
        ((2, 7, 3, 8), (2, 7, 3, 8), (2, 7, 3, 6)),
        Cost(
            macs=_P * (3 * 8 + 2 * 6),
            results=2 * _P + 42 * 8 + 42 * (8 + 6),
            multiply=3 * _P + 42 * 6,
            add=2 * _P + 42 * (6 - 1),
            special=_P,
        ),
    ),
)
def neighbourhood_backward(
    query: TensorSpec, key: TensorSpec, value: TensorSpec, kernel_size: Sequence[int], scale: float | None = None
) -> Cost:
    """Five products, B*H*Sq*W*(3*D + 2*Dv) multiply-accumulates: the scores again, and three gradients."""
    return gradients(
        product(query.shape[:-1]),
        product(kernel_size),
        product(key.shape[:-1]),
        (query.shape[-1], value.shape[-1]),
        each=on_scores(None, scale),
        scaled=scale != 1,
    )
