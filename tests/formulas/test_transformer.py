import math

import torch
from contraction_proof import array, biased, check, close, each, filled, numeric, products, proves, total
from formulas.test_attention import forward
from hypothesis import given
from hypothesis import strategies as st
from oracle import maximum, special

from flopsight.cost import TensorSpec

sizes = st.integers(1, 3)


def linear(x, weight, bias):
    return filled(
        (*x.shape[:-1], weight.shape[0]), lambda *at: biased(products(x[at[:-1]], weight[at[-1]]), bias[at[-1]])
    )


def multi_head(query, key, value, heads, weights, mask=None):
    qkv_weight, qkv_bias, proj_weight, proj_bias = weights
    E = query.shape[-1]
    parts = [linear(x, qkv_weight[s : s + E], qkv_bias[s : s + E]) for x, s in ((query, 0), (key, E), (value, 2 * E))]
    split = [x.reshape(*x.shape[:2], heads, E // heads).transpose(0, 2, 1, 3) for x in parts]
    out = forward(*split, mask=mask)
    return linear(out.transpose(0, 2, 1, 3).reshape(query.shape), proj_weight, proj_bias)


def weights_of(E):
    return array((3 * E, E), 1), array((3 * E,), 2), array((E, E), 3), array((E,), 4)


@proves("aten::_native_multi_head_attention", "aten::_triton_multi_head_attention")
@given(B=st.integers(0, 2), T=sizes, S=sizes, heads=st.integers(1, 2), width=st.integers(1, 2), masked=st.booleans(),
       need_weights=st.booleans(), average=st.booleans())  # fmt: skip
def test_multi_head(operator, B, T, S, heads, width, masked, need_weights, average):
    E = heads * width
    x, y, weights = array((B, T, E)), array((B, S, E), 5), weights_of(E)
    mask = array((1, 1, T, S), 6) if masked else None
    fused = operator == "aten::_native_multi_head_attention"

    def reference():
        out = multi_head(x, y, y, heads, weights, mask)
        if fused and need_weights and average:
            each(lambda w: total([w] * heads) / heads, array((B, T, S)))
        return out

    arguments = {"query": x, "key": y, "value": y, "embed_dim": E, "num_head": heads}
    arguments["mask"] = TensorSpec((T, S)) if masked else None
    if fused:
        arguments |= {"need_weights": need_weights, "average_attn_weights": average}
    check(operator, arguments, reference)


def layer_norm(x, weight, bias):
    def rows(row):
        n = len(row)
        mean = total(row) / n
        off = [v - mean for v in row]
        spread = special(lambda v: v**-0.5, total([d * d for d in off]) / n + 1e-5)
        return [d * spread * w + b for d, w, b in zip(off, weight, bias, strict=True)]

    return filled(x.shape, lambda *at: None) if not x.size else _by_row(x, rows)


def _by_row(x, rows):
    done = {at: rows(list(x[at])) for at in __import__("numpy").ndindex(*x.shape[:-1])}
    return filled(x.shape, lambda *at: done[at[:-1]][at[-1]])


@proves("aten::_transformer_encoder_layer_fwd")
@given(B=st.integers(0, 2), T=sizes, heads=st.integers(1, 2), F=sizes, use_gelu=st.booleans(), norm_first=st.booleans())
def test_encoder_layer(operator, B, T, heads, F, use_gelu, norm_first):
    E = heads * 2
    x, weights = array((B, T, E)), weights_of(E)
    first, last = (array((F, E), 7), array((F,), 8)), (array((E, F), 9), array((E,), 10))
    norms = [(array((E,), 11 + i), array((E,), 13 + i)) for i in range(2)]

    def activate(v):
        return 0.5 * v * (1 + special(math.erf, v * 0.5**0.5)) if use_gelu else maximum(v, 0)

    def feed_forward(v):
        return linear(each(activate, linear(v, *first)), *last)

    def reference():
        plus = lambda a, b: each(lambda s, t: s + t, a, b)
        if norm_first:
            inner = layer_norm(x, *norms[0])
            middle = plus(x, multi_head(inner, inner, inner, heads, weights))
            return plus(middle, feed_forward(layer_norm(middle, *norms[1])))
        middle = layer_norm(plus(x, multi_head(x, x, x, heads, weights)), *norms[0])
        return layer_norm(plus(middle, feed_forward(middle)), *norms[1])

    arguments = {"src": x, "embed_dim": E, "num_heads": heads, "use_gelu": use_gelu, "norm_first": norm_first}
    mine = check(operator, {**arguments, "ffn_weight_1": first[0], "mask": None}, reference)
    if B:
        affine = [t for pair in norms for t in pair]
        tensors = [numeric(t) for t in (*affine, *first, *last)]
        wanted = torch._transformer_encoder_layer_fwd(
            numeric(x), E, heads, *map(numeric, weights), use_gelu, norm_first, 1e-5, *tensors
        )
        close(mine, wanted)
