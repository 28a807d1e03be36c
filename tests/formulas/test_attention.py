import numpy as np
import torch
import torch.nn.functional as F
from contraction_proof import (
    array,
    check,
    close,
    cost_of,
    each,
    note,
    numeric,
    products,
    proves,
    total,
)
from hypothesis import given
from hypothesis import strategies as st
from oracle import exp, maximum, select

from flopsight.cost import TensorSpec

sizes = st.integers(1, 3)


def softmax(row):
    top = row[0]
    for x in row[1:]:
        top = maximum(top, x)
    powers = [exp(x - top) for x in row]
    whole = total(powers)
    return [x / whole for x in powers]


def factor(q, scale):
    """What the scores are multiplied by; None where the call says 1."""
    return q.shape[-1] ** -0.5 if scale is None else None if scale == 1 else scale


def worked(score, scale, mask, n, h, i, j):
    """A score, scaled and masked."""
    if scale is not None:
        score = score * scale
    if mask is None:
        return score
    at = np.broadcast_to(mask, (n + 1, h + 1, *mask.shape[-2:]))[n, h, i, j]
    return select(at, score, -1e9) if mask.dtype == bool else score + at


def forward(q, k, v, *, mask=None, scale=None, keep=None, allowed=None):
    """(B, H, S, D) each; keep: what dropout keeps, of 0 and 1; allowed(i, j): pairs the call's mask leaves."""
    group = q.shape[1] // k.shape[1] if k.shape[1] else 1
    scale = factor(q, scale)
    out = np.empty((*q.shape[:3], v.shape[3]), dtype=object)
    for n, h, i in np.ndindex(*q.shape[:3]):
        keys, values = k[n, h // group], v[n, h // group]
        row = [worked(products(q[n, h, i], key), scale, mask, n, h, i, j) for j, key in enumerate(keys)]
        for j in range(len(keys)):
            if allowed is not None and not allowed(i, j):
                note(masked_macs=q.shape[3] + v.shape[3])
        weights = softmax(row) if row else []
        if keep is not None:
            weights = [w * keep[i, j] * 2.0 for j, w in enumerate(weights)]
        for d in range(v.shape[3]):
            out[n, h, i, d] = products(weights, values[:, d])
    return out


def causal(i, j):
    return j <= i


@st.composite
def inputs(draw, empty=True):
    low = 0 if empty else 1
    B, Hk, group, Sq, Sk = (
        draw(st.integers(low, 2)),
        *(draw(st.integers(1, 2)) for _ in range(2)),
        draw(sizes),
        draw(sizes),
    )
    D, Dv = draw(sizes), draw(sizes)
    return array((B, Hk * group, Sq, D)), array((B, Hk, Sk, D), 1), array((B, Hk, Sk, Dv), 2)


scales = st.sampled_from([None, 1.0, 0.5])
mask_kinds = st.sampled_from([None, "bool", "float"])


def mask_for(kind, q, k):
    """Of one row for all heads; a spec of the right type is what the formula sees."""
    shape = (1, 1, q.shape[2], k.shape[2])
    if kind == "bool":
        return np.tri(shape[2], shape[3], dtype=bool).reshape(shape), TensorSpec(shape, "bool")
    return (array(shape, 5), TensorSpec(shape)) if kind == "float" else (None, None)


SDPA = (
    "aten::scaled_dot_product_attention", "aten::_scaled_dot_product_attention_math",
    "aten::_scaled_dot_product_attention_math_for_mps", "aten::_scaled_dot_product_flash_attention_for_cpu",
    "aten::_scaled_dot_product_flash_attention", "aten::_scaled_dot_product_efficient_attention",
    "aten::_scaled_dot_product_cudnn_attention", "aten::_scaled_dot_product_fused_attention_overrideable",
)  # fmt: skip
MASK_NAMES = {"_scaled_dot_product_flash_attention": None} | dict.fromkeys(
    ("_scaled_dot_product_efficient_attention", "_scaled_dot_product_cudnn_attention",
     "_scaled_dot_product_fused_attention_overrideable"), "attn_bias")  # fmt: skip


@proves(*SDPA)
@given(qkv=inputs(), kind=mask_kinds, scale=scales, is_causal=st.booleans(), dropout=st.booleans())
def test_scaled_dot_product(operator, qkv, kind, scale, is_causal, dropout):
    q, k, v = qkv
    name = MASK_NAMES.get(operator[6:], "attn_mask")
    mask, mask_spec = mask_for(None if is_causal or name is None else kind, q, k)
    keep = np.ones((q.shape[2], k.shape[2])) if dropout else None
    arguments = {"query": q, "key": k, "value": v, "scale": scale, "is_causal": is_causal}
    arguments |= {"dropout_p": 0.5 if dropout else 0.0} | ({name: mask_spec} if name else {})
    run = lambda: forward(q, k, v, mask=mask, scale=scale, keep=keep, allowed=causal if is_causal else None)
    mine = check(operator, arguments, run)
    if not dropout and not is_causal:
        close(mine, pytorch(q, k, v, mask, scale))


def pytorch(q, k, v, mask, scale):
    mask = None if mask is None else torch.from_numpy(mask) if mask.dtype == bool else numeric(mask)
    return F.scaled_dot_product_attention(
        numeric(q), numeric(k), numeric(v), attn_mask=mask, scale=scale, enable_gqa=True
    )


@proves("aten::scaled_dot_product_attention")
@given(sq=sizes, sk=sizes)
def test_batches_broadcast(operator, sq, sk):
    q, k = array((2, 1, sq, 2)), array((1, 3, sk, 2), 1)
    wide = lambda x: np.broadcast_to(x, (2, 3, *x.shape[2:]))
    run = lambda: forward(wide(q), wide(k), wide(k))
    check(operator, {"query": q, "key": k, "value": k}, run)


@proves("aten::_triton_scaled_dot_attention")
@given(qkv=inputs(), dropout=st.booleans())
def test_triton(operator, qkv, dropout):
    q, k, v = qkv
    keep = np.ones((q.shape[2], k.shape[2])) if dropout else None
    arguments = {"q": q, "k": k, "v": v, "dropout_p": 0.5 if dropout else 0.0}
    check(operator, arguments, lambda: forward(q, k, v, keep=keep))


def heads_second(x):
    """(B, S, H, D) as (B, H, S, D), and back."""
    return x.transpose(0, 2, 1, 3)


def within(left, right, shift):
    """Which keys a query at i + shift sees; None or -1: no bound."""
    return lambda i, j: (
        (left in (None, -1) or j >= i + shift - left) and (right in (None, -1) or j <= i + shift + right)
    )


windows = st.sampled_from([None, -1, 0, 1, 2])


@proves("aten::_flash_attention_forward", "aten::_flash_attention_forward_no_dropout_inplace")
@given(qkv=inputs(empty=False), left=windows, right=windows, is_causal=st.booleans(), packed=st.booleans())
def test_flash(operator, qkv, left, right, is_causal, packed):
    """Packed sequences of equal length cost what a batch of them costs."""
    q, k, v = map(heads_second, qkv)
    sq, sk = q.shape[1], k.shape[1]
    shift = sk - sq

    def reference():
        allowed = within(left, 0 if is_causal else right, shift)
        return forward(*map(heads_second, (q, k, v)), allowed=allowed)

    flat = lambda x: x.reshape(-1, *x.shape[2:]) if packed else x
    arguments = {"query": flat(q), "key": flat(k), "value": flat(v), "max_q": sq, "max_k": sk, "dropout_p": 0.0}
    starts = TensorSpec((q.shape[0] + 1,), "int32") if packed else None
    arguments |= {"is_causal": is_causal, "window_size_left": left, "window_size_right": right, "cum_seq_q": starts}
    check(operator, arguments, reference)


@proves("aten::_flash_attention_forward")
@given(qkv=inputs(empty=False))
def test_flash_with_slopes(operator, qkv):
    """alibi: a slope times a distance is added to each score."""
    q, k, v = map(heads_second, qkv)
    arguments = {"query": q, "value": v, "max_q": q.shape[1], "max_k": k.shape[1], "dropout_p": 0.0}
    arguments |= {"is_causal": False, "cum_seq_q": None}

    def sloped():
        each(lambda x: x + x * 3, array((q.shape[0], q.shape[2], q.shape[1], k.shape[1])))
        return forward(*map(heads_second, (q, k, v)))

    check(operator, {**arguments, "key": k, "alibi_slopes": TensorSpec((q.shape[2],))}, sloped)


@proves("aten::_flash_attention_forward", argument="block_table")
@given(qkv=inputs(empty=False))
def test_flash_with_pages(operator, qkv):
    """A paged cache has its keys in blocks of 2."""
    q, k, v = map(heads_second, qkv)
    arguments = {"query": q, "value": v, "max_q": q.shape[1], "max_k": k.shape[1], "dropout_p": 0.0}
    arguments |= {"is_causal": False, "cum_seq_q": None}
    pages = {"key": TensorSpec((7, 2, *k.shape[2:])), "block_table": TensorSpec((q.shape[0], 4), "int32")}
    check(operator, arguments | pages, lambda: forward(*map(heads_second, (q, k, v))))


@proves("aten::_efficient_attention_forward")
@given(qkv=inputs(empty=False), mask_type=st.integers(0, 2), window=st.sampled_from([None, 1, 2]), packed=st.booleans())
def test_efficient(operator, qkv, mask_type, window, packed):
    q, k, v = map(heads_second, qkv)
    sq, sk = q.shape[1], k.shape[1]
    window = window if mask_type else None
    shift = sk - sq if mask_type == 2 else 0
    allowed = within(window - 1 if window else None, 0 if mask_type else None, shift)
    flat = lambda x: x.reshape(-1, *x.shape[2:]) if packed else x
    arguments = {"query": flat(q), "key": flat(k), "value": flat(v), "bias": None, "dropout_p": 0.0}
    arguments |= {"max_seqlen_q": sq if packed else None, "max_seqlen_k": sk if packed else None}
    arguments |= {"cu_seqlens_q": TensorSpec((q.shape[0] + 1,)) if packed else None, "window_size": window}
    run = lambda: forward(*map(heads_second, (q, k, v)), allowed=allowed)
    check(operator, {**arguments, "custom_mask_type": mask_type}, run)


@proves("aten::_cudnn_attention_forward")
@given(qkv=inputs(empty=False), kind=mask_kinds, is_causal=st.booleans())
def test_cudnn(operator, qkv, kind, is_causal):
    q, k, v = qkv
    mask, mask_spec = mask_for(kind, q, k)
    arguments = {"query": q, "key": k, "value": v, "attn_bias": mask_spec, "cum_seq_q": None, "is_causal": is_causal}
    arguments |= {"max_q": q.shape[2], "max_k": k.shape[2]}
    check(operator, arguments, lambda: forward(q, k, v, mask=mask, allowed=causal if is_causal else None))


def test_unequal_sequences_count_against_the_longest():
    """Lengths 5 and 2: 7 queries against 5 keys, of which the one full sequence surely hides 4 + 3 + 2 + 1."""
    packed = TensorSpec((7, 1, 8))
    given = {"query": packed, "key": packed, "value": packed, "max_q": 5, "max_k": 5, "dropout_p": 0.0}
    cost = cost_of(
        "aten::_flash_attention_forward", {**given, "cum_seq_q": TensorSpec((3,)), "is_causal": True}, packed
    )
    assert cost.macs == 7 * 5 * (8 + 8)
    assert cost.masked_macs == (4 + 3 + 2 + 1) * (8 + 8)
