"""Whole transformer parts in one operator: projections, attention, feed-forward network, norms.

B batch · T queries · S keys · E model width · H heads of width E/H · F width of the feed-forward network
"""

from __future__ import annotations

from flopsight.cost import Cost, TensorSpec, contraction
from flopsight.formulas.attention.dense import attention, on_scores
from flopsight.formulas.parts import GELU, RELU, layer_norm
from flopsight.formulas.registry import Case, formula


def _projection(rows: int, inputs: int, outputs: int) -> Cost:
    return contraction(outputs=rows * outputs, length=inputs, bias=True)


def _multi_head(query: TensorSpec, key: TensorSpec, heads: int, mask: TensorSpec | None) -> Cost:
    """Projections of query, key and value, attention, projection of the result; all E wide, all with bias."""
    batch, queries, width = query.shape
    keys = key.shape[1]
    projections = 2 * _projection(batch * queries, width, width) + 2 * _projection(batch * keys, width, width)
    head = width // heads
    return projections + attention(batch * heads * queries, keys, (head, head), each=on_scores(mask, None))


_SCORES = 2 * 2 * 4 * 4
_ATTENTION_CASE = Cost(
    macs=_SCORES * (3 + 3),
    results=_SCORES + 2 * 4 * 6,
    multiply=_SCORES,
    compare=_SCORES - 2 * 2 * 4,
    add=2 * _SCORES - 2 * 2 * 4,
    special=_SCORES,
    divide=_SCORES,
)
_PROJECTIONS_CASE = Cost(macs=4 * 2 * 4 * 6 * 6, results=4 * 2 * 4 * 6, biases=4 * 2 * 4 * 6)


@formula(
    "aten::_native_multi_head_attention",
    "aten::_triton_multi_head_attention",
    case=Case(
        {"query": (2, 4, 6), "key": (2, 4, 6), "num_head": 2, "need_weights": False},
        ((2, 4, 6), None),
        _PROJECTIONS_CASE + _ATTENTION_CASE,
    ),
)
def multi_head_attention(
    query: TensorSpec,
    key: TensorSpec,
    num_head: int,
    mask: TensorSpec | None = None,
    need_weights: bool = False,
    average_attn_weights: bool = True,
) -> Cost:
    """2*B*T*E + 2*B*S*E projections of length E, attention over H heads; averaged weights: H - 1 sums, a division."""
    own = _multi_head(query, key, num_head, mask)
    if not (need_weights and average_attn_weights):
        return own
    weights = query.shape[0] * query.shape[1] * key.shape[1]
    return own + Cost(add=weights * (num_head - 1), divide=weights)


@formula(
    "aten::_transformer_encoder_layer_fwd",
    case=Case(
        {"src": (2, 4, 6), "num_heads": 2, "use_gelu": False, "ffn_weight_1": (7, 6)},
        (2, 4, 6),
        _PROJECTIONS_CASE
        + _ATTENTION_CASE
        + Cost(macs=2 * 8 * 7 * 6, results=8 * (7 + 6), biases=8 * (7 + 6), compare=8 * 7, add=2 * 8 * 6)
        + Cost(add=2 * (4 * 8 * 6 - 8), multiply=2 * 3 * 8 * 6, divide=2 * 2 * 8, special=2 * 8),
    ),
)
def transformer_encoder_layer(
    src: TensorSpec, num_heads: int, use_gelu: bool, ffn_weight_1: TensorSpec, mask: TensorSpec | None = None
) -> Cost:
    """Self-attention, B*T*(F + E) feed-forward products with bias, relu or gelu, two residual sums, two layer norms."""
    batch, length, width = src.shape
    rows, inner = batch * length, ffn_weight_1.shape[0]
    feed_forward = _projection(rows, width, inner) + _projection(rows, inner, width)
    feed_forward += (GELU if use_gelu else RELU) * (rows * inner)
    residuals = Cost(add=2 * rows * width)
    return _multi_head(src, src, num_heads, mask) + feed_forward + residuals + 2 * layer_norm(rows, width)
