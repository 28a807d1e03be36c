import numpy as np
import torch
import torch.nn.functional as F
from contraction_proof import array, check, close, filled, note, numeric, products, proves, total
from formulas.test_attention import (
    causal,
    factor,
    heads_second,
    inputs,
    mask_for,
    mask_kinds,
    scales,
    windows,
    within,
    worked,
)
from hypothesis import given
from hypothesis import strategies as st
from oracle import exp, log, value

from flopsight.cost import TensorSpec


def rows_of_forward(q, k, v, mask, scale):
    """What forward has kept: its result, and the logarithm of each row's sum; made outside the counting."""
    scale = q.shape[-1] ** -0.5 if scale is None else scale
    group = q.shape[1] // k.shape[1]
    wide = lambda x: np.repeat(numeric(x).numpy(), group, axis=1)
    scores = numeric(q).numpy() @ wide(k).swapaxes(-1, -2) * scale
    if mask is not None:
        scores = np.where(mask, scores, -1e9) if mask.dtype == bool else scores + numeric(mask).numpy()
    lse = np.log(np.exp(scores).sum(-1))
    return np.exp(scores - lse[..., None]) @ wide(v), lse


def backward(q, k, v, grad, *, mask=None, scale=None, dropout=False, allowed=None):
    """Gradients of query, key, value and of the scores before scaling."""
    B, H, Sq, D = q.shape
    group, Sk = H // k.shape[1], k.shape[2]
    times = factor(q, scale)
    out, lse = rows_of_forward(q, k, v, mask, scale)
    P, dS, raw = (np.empty((B, H, Sq, Sk), dtype=object) for _ in range(3))
    for n, h, i in np.ndindex(B, H, Sq):
        delta = total([g * o for g, o in zip(grad[n, h, i], out[n, h, i], strict=True)])
        for j in range(Sk):
            key, row = k[n, h // group, j], v[n, h // group, j]
            weight = exp(worked(products(q[n, h, i], key), times, mask, n, h, i, j) - float(lse[n, h, i]))
            above = products(grad[n, h, i], row)
            P[n, h, i, j] = weight * 1.0 * 1.0 if dropout else weight
            raw[n, h, i, j] = weight * ((above * 1.0 * 1.0 if dropout else above) - delta)
            dS[n, h, i, j] = raw[n, h, i, j] if times is None else raw[n, h, i, j] * times
            if allowed is not None and not allowed(i, j):
                note(masked_macs=3 * D + 2 * v.shape[3])
    d_q = filled(q.shape, lambda n, h, i, d: products(dS[n, h, i], k[n, h // group, :, d]))
    mine = lambda c: slice(c * group, (c + 1) * group)
    d_k = filled(k.shape, lambda n, c, j, d: products(dS[n, mine(c), :, j].ravel(), q[n, mine(c), :, d].ravel()))
    d_v = filled(v.shape, lambda n, c, j, d: products(P[n, mine(c), :, j].ravel(), grad[n, mine(c), :, d].ravel()))
    return d_q, d_k, d_v, raw


def autograd(q, k, v, grad, mask, scale):
    leaves = [numeric(x).requires_grad_() for x in (q, k, v)]
    mask = None if mask is None else torch.from_numpy(mask) if mask.dtype == bool else numeric(mask)
    out = F.scaled_dot_product_attention(*leaves, attn_mask=mask, scale=scale, enable_gqa=True)
    return torch.autograd.grad(out, leaves, numeric(grad))


def grad_for(q, v):
    return array((*q.shape[:3], v.shape[3]), 7)


PLAIN = {
    "aten::_scaled_dot_product_flash_attention_backward": None,
    "aten::_scaled_dot_product_flash_attention_for_cpu_backward": "attn_mask",
    "aten::_scaled_dot_product_cudnn_attention_backward": "attn_bias",
}


@proves(*PLAIN)
@given(qkv=inputs(empty=False), kind=mask_kinds, scale=scales, is_causal=st.booleans(), dropout=st.booleans())
def test_backward(operator, qkv, kind, scale, is_causal, dropout):
    q, k, v = qkv
    grad, name = grad_for(q, v), PLAIN[operator]
    mask, mask_spec = mask_for(kind if name else None, q, k)
    arguments = {"grad_out": grad, "query": q, "key": k, "value": v, "is_causal": is_causal, "scale": scale}
    arguments |= {"dropout_p": 0.5 if dropout else 0.0} | ({name: mask_spec} if name else {})
    allowed = causal if is_causal else None
    run = lambda: backward(q, k, v, grad, mask=mask, scale=scale, dropout=dropout, allowed=allowed)
    mine = check(operator, arguments, run)
    for got, wanted in zip(mine, autograd(q, k, v, grad, mask, scale), strict=False):
        close(got, wanted)


def bias_gradient(raw, shape):
    """Summed over the batch and heads that share a bias."""
    return filled(shape, lambda n, h, i, j: total(raw[:, :, i, j].ravel()))


@proves(
    "aten::_scaled_dot_product_efficient_attention_backward",
    "aten::_scaled_dot_product_fused_attention_overrideable_backward",
)
@given(qkv=inputs(empty=False), kind=st.sampled_from([None, "float"]), is_causal=st.booleans(), wanted=st.booleans())
def test_backward_with_bias(operator, qkv, kind, is_causal, wanted):
    q, k, v = qkv
    grad = grad_for(q, v)
    mask, mask_spec = mask_for(kind, q, k)
    arguments = {"query": q, "key": k, "value": v, "is_causal": is_causal, "attn_bias": mask_spec, "dropout_p": 0.0}

    def reference():
        *three, raw = backward(q, k, v, grad, mask=mask, allowed=causal if is_causal else None)
        return (*three, bias_gradient(raw, mask.shape) if wanted and mask is not None else None)

    check(operator, {**arguments, "grad_input_mask": [True, True, True, wanted]}, reference)


@proves("aten::_flash_attention_backward")
@given(qkv=inputs(empty=False), left=windows, right=windows, is_causal=st.booleans(), packed=st.booleans())
def test_flash_backward(operator, qkv, left, right, is_causal, packed):
    q, k, v = qkv
    grad, (sq, sk) = grad_for(q, v), (q.shape[2], k.shape[2])
    flat = lambda x: heads_second(x).reshape(-1, x.shape[1], x.shape[3]) if packed else heads_second(x)
    arguments = {"query": flat(q), "key": flat(k), "value": flat(v), "max_q": sq, "max_k": sk, "dropout_p": 0.0}
    arguments |= {"is_causal": is_causal, "window_size_left": left, "window_size_right": right}
    allowed = within(left, 0 if is_causal else right, sk - sq)
    run = lambda: backward(q, k, v, grad, allowed=allowed)
    check(operator, {**arguments, "cum_seq_q": TensorSpec((3,)) if packed else None}, run)


@proves("aten::_efficient_attention_backward")
@given(
    qkv=inputs(empty=False), mask_type=st.integers(0, 2), kind=st.sampled_from([None, "float"]), wanted=st.booleans()
)
def test_efficient_backward(operator, qkv, mask_type, kind, wanted):
    q, k, v = qkv
    grad, (sq, sk) = grad_for(q, v), (q.shape[2], k.shape[2])
    mask, mask_spec = mask_for(kind, q, k)
    first, second, third = map(heads_second, qkv)
    arguments = {"query": first, "key": second, "value": third, "bias": mask_spec, "cu_seqlens_q": None}
    arguments |= {"max_seqlen_q": sq, "max_seqlen_k": sk, "dropout_p": 0.0, "custom_mask_type": mask_type}
    allowed = within(None, 0 if mask_type else None, sk - sq if mask_type == 2 else 0)

    def reference():
        *three, raw = backward(q, k, v, grad, mask=mask, allowed=allowed)
        return (*three, bias_gradient(raw, mask.shape) if wanted and mask is not None else None)

    check(operator, {**arguments, "bias_requires_grad": wanted}, reference)


@proves("aten::_cudnn_attention_backward")
@given(qkv=inputs(empty=False), kind=mask_kinds, is_causal=st.booleans())
def test_cudnn_backward(operator, qkv, kind, is_causal):
    q, k, v = qkv
    mask, mask_spec = mask_for(kind, q, k)
    arguments = {"query": q, "key": k, "value": v, "attn_bias": mask_spec, "cum_seq_q": None, "dropout_p": 0.0}
    arguments |= {"max_q": q.shape[2], "max_k": k.shape[2], "is_causal": is_causal}
    allowed = causal if is_causal else None
    check(operator, arguments, lambda: backward(q, k, v, grad_for(q, v), mask=mask, allowed=allowed))


def test_the_row_sums_are_those_of_a_softmax():
    """The reference's own kept sums: exp(score - lse) sums to 1."""
    q, k, v = array((1, 1, 2, 3)), array((1, 1, 4, 3), 1), array((1, 1, 4, 2), 2)
    _, lse = rows_of_forward(q, k, v, None, 1.0)
    scores = [exp(products(q[0, 0, 0], key) - float(lse[0, 0, 0])) for key in k[0, 0]]
    assert abs(value(total(scores)) - 1) < 1e-12
    assert abs(value(log(total(scores)))) < 1e-12
