"""Attention, softmax(scale * query @ key^T + mask) @ value, in all its kernels.

B batch · H query heads (key and value may have fewer) · Sq queries · Sk keys · D width of query and key · Dv of value

Every one counts the whole score matrix, B*H*Sq*Sk*(D + Dv) multiply-accumulates; `masked_macs` is what a causal mask or
a window, where the call names one, makes unnecessary. A mask that comes as a tensor is dense: its values are unknown.
"""

from __future__ import annotations

from flopsight.cost import ZERO, Cost, TensorSpec, contraction, product
from flopsight.formulas.attention.masks import hidden
from flopsight.formulas.parts import DROPOUT, gathered, reduced, softmax
from flopsight.formulas.registry import Case, formula

MASK = Cost(add=1)
"""score + bias"""
BOOL_MASK = Cost(compare=1)
"""score where the mask holds, else -inf"""
ALIBI = Cost(multiply=1, add=1)
"""score + slope * distance"""


def on_scores(mask: TensorSpec | None, scale: float | None, alibi: bool = False) -> Cost:
    """Work on one score before the softmax; a scale of 1 needs none, an unnamed one is 1/sqrt(D)."""
    scaling = ZERO if scale == 1 else Cost(multiply=1)
    masking = ZERO if mask is None else BOOL_MASK if mask.dtype == "bool" else MASK
    return scaling + masking + (ALIBI if alibi else ZERO)


def attention(
    rows: int, keys: int, widths: tuple[int, int], *, each: Cost, dropout_p: float = 0.0, masked: int = 0
) -> Cost:
    """`rows` queries of all heads together, against `keys` each; `each`: work on a score; `masked`: scores left out."""
    width, value_width = widths
    scores = contraction(outputs=rows * keys, length=width) + each * (rows * keys)
    weights = softmax(rows, keys) + (DROPOUT * (rows * keys) if dropout_p else ZERO)
    values = contraction(outputs=rows * value_width, length=keys)
    return scores + weights + values + Cost(masked_macs=masked * (width + value_width))


def _fused(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    mask: TensorSpec | None,
    dropout_p: float,
    is_causal: bool,
    scale: float | None,
) -> Cost:
    """Shapes (..., H, S, D); causal is aligned at the beginning: row i sees the keys 0 .. i."""
    queries, keys = query.shape[-2], key.shape[-2]
    heads = product(map(max, query.shape[-3::-1], key.shape[-3::-1]))
    masked = heads * hidden(queries, keys, right=0) if is_causal else 0
    widths = query.shape[-1], value.shape[-1]
    return attention(heads * queries, keys, widths, each=on_scores(mask, scale), dropout_p=dropout_p, masked=masked)


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
    "aten::scaled_dot_product_attention",
    "aten::_scaled_dot_product_attention_math",
    "aten::_scaled_dot_product_attention_math_for_mps",
    "aten::_scaled_dot_product_flash_attention_for_cpu",
    case=Case({"query": (2, 3, 4, 8), "key": (2, 3, 5, 8), "value": (2, 3, 5, 6)}, (2, 3, 4, 6), _CASE_COST),
)
def scaled_dot_product(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    attn_mask: TensorSpec | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, masked, softmaxed; B*H*Sq*Dv results of length Sk."""
    return _fused(query, key, value, attn_mask, dropout_p, is_causal, scale)


@formula(
    "aten::_scaled_dot_product_flash_attention",
    "aten::_scaled_dot_product_efficient_attention",
    "aten::_scaled_dot_product_cudnn_attention",
    "aten::_scaled_dot_product_fused_attention_overrideable",
    case=Case({"query": (2, 3, 4, 8), "key": (2, 3, 5, 8), "value": (2, 3, 5, 6)}, (2, 3, 4, 6), _CASE_COST),
)
def scaled_dot_product_kernel(
    query: TensorSpec,
    key: TensorSpec,
    value: TensorSpec,
    attn_bias: TensorSpec | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, biased, softmaxed; B*H*Sq*Dv results of length Sk."""
    return _fused(query, key, value, attn_bias, dropout_p, is_causal, scale)


@formula(
    "aten::_triton_scaled_dot_attention",
    case=Case({"q": (2, 3, 4, 8), "k": (2, 3, 5, 8), "v": (2, 3, 5, 6)}, (2, 3, 4, 6), _CASE_COST),
)
def triton_scaled_dot(q: TensorSpec, k: TensorSpec, v: TensorSpec, dropout_p: float = 0.0) -> Cost:
    """B*H*Sq*Sk scores of length D, scaled, softmaxed; B*H*Sq*Dv results of length Sk."""
    return _fused(q, k, v, None, dropout_p, False, None)


def gradients(
    rows: int,
    keys: int,
    key_rows: int,
    widths: tuple[int, int],
    *,
    each: Cost,
    dropout_p: float = 0.0,
    scaled: bool = True,
    masked: int = 0,
) -> Cost:
    """All three gradients; `rows` queries of all heads together against `keys` each, `key_rows` keys of all heads.

    P = exp(scores - logsumexp), scores as in forward. d_value = P^T @ grad. d_P = grad @ value^T.
    d_scores = scale * P * (d_P - rowsum(grad * out)). d_query = d_scores @ key. d_key = d_scores^T @ query.
    """
    width, value_width = widths
    size = rows * keys
    weights = contraction(outputs=size, length=width) + (each + Cost(add=1, special=1)) * size
    row_sums = Cost(multiply=rows * value_width, add=reduced(rows * value_width, rows))
    score_grads = contraction(outputs=size, length=value_width)
    score_grads += Cost(add=1, multiply=2 if scaled else 1) * size + (2 * DROPOUT if dropout_p else ZERO) * size
    d_query = contraction(outputs=rows * width, length=keys)
    both = width + value_width
    d_key_value = gathered(TensorSpec(()), macs=size * both, results=key_rows * both)
    saved = masked * (3 * width + 2 * value_width)
    return weights + row_sums + score_grads + d_query + d_key_value + Cost(masked_macs=saved)
