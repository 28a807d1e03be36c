"""Gradients of attention; letters as in `attention`.

The kernels keep only the logarithm of the softmax's sum of each row, and compute the scores again: five products of
B*H*Sq*Sk*D or *Dv multiply-accumulates, where an implementation that keeps the weights needs four.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec, product
from flopsight.formulas.attention.dense import gradients, on_scores
from flopsight.formulas.attention.masks import hidden
from flopsight.formulas.attention.packing import Packing, cudnn_packing, efficient_window, flash_packing
from flopsight.formulas.parts import reduced
from flopsight.formulas.registry import Case, formula


def _bias_gradient(bias: TensorSpec | None, size: int, wanted: bool) -> Cost:
    """The gradient of a bias is that of the scores before scaling, summed over what was broadcast."""
    return ZERO if bias is None or not wanted else Cost(add=reduced(size, bias.numel))


def _dense(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    mask: TensorSpec | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
) -> Cost:
    """Shapes (B, H, S, D); causal is aligned at the beginning. Query heads that share a key are summed with it."""
    queries, keys = query.shape[-2], key.shape[-2]
    heads = product(query.shape[:-2])
    return gradients(
        heads * queries,
        keys,
        product(key.shape[:-1]),
        (query.shape[-1], value.shape[-1]),
        each=on_scores(mask, scale),
        dropout_p=dropout_p,
        scaled=scale != 1,
        masked=heads * hidden(queries, keys, right=0) if is_causal else 0,
    )


_GIVEN = {
    "query": (2, 3, 4, 8),
    "key": (2, 3, 5, 8),
    "value": (2, 3, 5, 6),
    "dropout_p": 0.0,
    "is_causal": False,
}
_SIZE = 2 * 3 * 4 * 5
_CASE_COST = Cost(
    macs=_SIZE * (3 * 8 + 2 * 6),
    results=_SIZE + _SIZE + 2 * 3 * 4 * 8 + 2 * 3 * 5 * (8 + 6),
    multiply=_SIZE * 3 + 2 * 3 * 4 * 6,
    add=_SIZE * 2 + 2 * 3 * 4 * (6 - 1),
    special=_SIZE,
)


@formula(
    "aten::_scaled_dot_product_flash_attention_backward",
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward",
    "aten::_scaled_dot_product_cudnn_attention_backward",
    case=Case(_GIVEN, ((2, 3, 4, 8), (2, 3, 5, 8), (2, 3, 5, 6)), _CASE_COST),
)
def scaled_dot_product_backward(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    dropout_p: float,
    is_causal: bool,
    attn_mask: TensorSpec | None = None,
    attn_bias: TensorSpec | None = None,
    scale: float | None = None,
) -> Cost:
    """Five products, B*H*Sq*Sk*(3*D + 2*Dv) multiply-accumulates: the scores again, and three gradients."""
    mask = attn_bias if attn_mask is None else attn_mask
    return _dense(query, key, value, mask, dropout_p, is_causal, scale)


@formula(
    "aten::_scaled_dot_product_efficient_attention_backward",
    "aten::_scaled_dot_product_fused_attention_overrideable_backward",
    case=Case(
        {**_GIVEN, "attn_bias": None, "grad_input_mask": [True, True, True, False]},
        ((2, 3, 4, 8), (2, 3, 5, 8), (2, 3, 5, 6), None),
        _CASE_COST,
    ),
)
def scaled_dot_product_bias_backward(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    attn_bias: TensorSpec | None,
    dropout_p: float,
    grad_input_mask: Sequence[bool],
    is_causal: bool = False,
    scale: float | None = None,
) -> Cost:
    """Five products, and the bias's gradient where wanted; the kernels compute the other three in any case."""
    size = product(query.shape[:-1]) * key.shape[-2]
    own = _dense(query, key, value, attn_bias, dropout_p, is_causal, scale)
    return own + _bias_gradient(attn_bias, size, grad_input_mask[3])


_PACKED_GIVEN = {
    "query": (2, 4, 3, 8),
    "key": (2, 5, 3, 8),
    "value": (2, 5, 3, 6),
    "dropout_p": 0.0,
}


@formula(
    "aten::_flash_attention_backward",
    case=Case(
        {**_PACKED_GIVEN, "cum_seq_q": None, "max_q": 4, "max_k": 5, "is_causal": False},
        ((2, 4, 3, 8), (2, 5, 3, 8), (2, 5, 3, 6)),
        _CASE_COST,
    ),
)
def flash_attention_backward(
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
) -> Cost:
    """Five products, B*H*Sq*Sk*(3*D + 2*Dv) multiply-accumulates; causal is aligned at the end."""
    packing = flash_packing(query, key, cum_seq_q, (max_q, max_k))
    window = (window_size_left, 0 if is_causal else window_size_right)
    return packing.backward(key, value, each=on_scores(None, scale), dropout_p=dropout_p, scale=scale, window=window)


@formula(
    "aten::_efficient_attention_backward",
    case=Case(
        {
            **_PACKED_GIVEN,
            "bias": None,
            "cu_seqlens_q": None,
            "max_seqlen_q": 4,
            "max_seqlen_k": 5,
            "custom_mask_type": 0,
            "bias_requires_grad": False,
        },
        ((2, 4, 3, 8), (2, 5, 3, 8), (2, 5, 3, 6), None),
        _CASE_COST,
    ),
)
def efficient_attention_backward(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    bias: TensorSpec | None,
    cu_seqlens_q: TensorSpec | None,
    max_seqlen_q: int,
    max_seqlen_k: int,
    dropout_p: float,
    custom_mask_type: int,
    bias_requires_grad: bool,
    scale: float | None = None,
    window_size: int | None = None,
) -> Cost:
    """Five products, B*H*Sq*Sk*(3*D + 2*Dv) multiply-accumulates, and the bias's gradient where wanted."""
    packing = Packing(query, key, cu_seqlens_q is not None, (max_seqlen_q, max_seqlen_k))
    window, at_end = efficient_window(custom_mask_type, window_size)
    own = packing.backward(
        key, value, each=on_scores(bias, scale), dropout_p=dropout_p, scale=scale, window=window, at_end=at_end
    )
    return own + _bias_gradient(bias, packing.rows * packing.heads * packing.keys, bias_requires_grad)


@formula(
    "aten::_cudnn_attention_backward",
    case=Case(
        {**_GIVEN, "attn_bias": None, "cum_seq_q": None, "max_q": 4, "max_k": 5},
        ((2, 3, 4, 8), (2, 3, 5, 8), (2, 3, 5, 6)),
        _CASE_COST,
    ),
)
def cudnn_attention_backward(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    attn_bias: TensorSpec | None,
    cum_seq_q: TensorSpec | None,
    max_q: int,
    max_k: int,
    dropout_p: float,
    is_causal: bool,
    scale: float | None = None,
) -> Cost:
    """Five products, B*H*Sq*Sk*(3*D + 2*Dv) multiply-accumulates; causal is aligned at the beginning."""
    packing = cudnn_packing(query, key, cum_seq_q, (max_q, max_k))
    each, window = on_scores(attn_bias, scale), (None, 0 if is_causal else None)
    return packing.backward(key, value, each=each, dropout_p=dropout_p, scale=scale, window=window, at_end=False)
