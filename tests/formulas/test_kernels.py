from __future__ import annotations

from functools import reduce
from typing import Any

import hypothesis.strategies as st
import numpy as np
from hypothesis import given
from oracle import Scalar, biased, dot, exp, log, maximum, products, tanh, total
from proof import Call, Proof, proven, tensor, unproven

from flopsight.cost import TensorSpec
from flopsight.formulas.attention.kernels import flash_attn

# attention: a list of queries of all heads, each with the keys and values that it meets


def softmax(row: list[Any]) -> list[Any]:
    top = reduce(maximum, row)
    powers = [exp(x - top) for x in row]
    whole = total(powers)
    return [x / whole for x in powers]


def score(q: Any, k: Any, scale: float, softcap: float, slope: Any) -> Any:
    s = products(list(q), list(k)) * scale
    if slope is not None:
        s = s + slope * Scalar(3.0)
    return tanh(s * (1 / softcap)) * softcap if softcap else s


def attend(
    q: Any, keys: Any, values: Any, scale: float, softcap: float = 0.0, slope: Any = None, dropout: float = 0.0
) -> Any:
    weights = softmax([score(q, k, scale, softcap, slope) for k in keys])
    if dropout:
        weights = [w * Scalar(1.0) * 1.25 for w in weights]
    return [products(weights, [v[d] for v in values]) for d in range(len(values[0]))]


def attend_backward(
    queries: Any, keys: Any, values: Any, scale: float, softcap: float = 0.0, slope: Any = None, dropout: float = 0.0
) -> None:
    """The weights again from the logarithm of their sum, then the three gradients; all queries meet all keys."""
    width, value_width = len(keys[0]), len(values[0])
    grads = [[Scalar(0.5)] * value_width for _ in queries]
    weights = [[exp(score(q, k, scale, softcap, slope) - Scalar(2.0)) for k in keys] for q in queries]
    sums = [dot(dy, [Scalar(0.3)] * value_width) for dy in grads]
    slopes = [[products(dy, list(v)) for v in values] for dy in grads]
    if dropout:
        weights = [[w * Scalar(1.0) * 1.25 for w in row] for row in weights]
        slopes = [[s * Scalar(1.0) * 1.25 for s in row] for row in slopes]
    ds = [
        [w * (dp - row_sum) * scale for w, dp in zip(ws, dps, strict=True)]
        for ws, dps, row_sum in zip(weights, slopes, sums, strict=True)
    ]
    for row in ds:
        for d in range(width):
            products(row, [k[d] for k in keys])
    for j in range(len(keys)):
        for d in range(width):
            products([row[j] for row in ds], [q[d] for q in queries])
        for d in range(value_width):
            products([row[j] for row in weights], [dy[d] for dy in grads])


def heads(q: np.ndarray, k: np.ndarray, v: np.ndarray) -> Any:
    """Queries, keys and values of each batch and head of (B, S, H, D) tensors."""
    for b, h in np.ndindex(q.shape[0], q.shape[2]):
        yield q[b, :, h], k[b, :, h], v[b, :, h]


def flash(q, k, v, softmax_scale, softcap=0.0, alibi_slopes=None, dropout_p=0.0):
    for queries, keys, values in heads(q, k, v):
        for query in queries:
            attend(
                query,
                keys,
                values,
                softmax_scale,
                softcap,
                None if alibi_slopes is None else alibi_slopes[0],
                dropout_p,
            )


def flash_backward(q, k, v, softmax_scale, softcap=0.0, alibi_slopes=None, dropout_p=0.0):
    for queries, keys, values in heads(q, k, v):
        slope = None if alibi_slopes is None else alibi_slopes[0]
        attend_backward(queries, keys, values, softmax_scale, softcap, slope, dropout_p)


def named(query, key, value, softmax_scale, p):
    flash(query, key, value, softmax_scale, dropout_p=p)


def named_backward(query, key, value, softmax_scale, p):
    flash_backward(query, key, value, softmax_scale, dropout_p=p)


def cutlass(query, key, value, scale, dropout_p):
    flash(query, key, value, scale, dropout_p=dropout_p)


def neighbourhood(query, key, value, kernel_size, scale):
    flat = lambda x: x.reshape(x.shape[0], -1, *x.shape[-2:])
    size = int(np.prod(kernel_size))
    for queries, keys, values in heads(flat(query), flat(key), flat(value)):
        for q in queries:
            attend(q, keys[:size], values[:size], scale)


def neighbourhood_backward(query, key, value, kernel_size, scale):
    """Every key is met by as many queries as a neighbourhood has keys, which holds away from the border."""
    flat = lambda x: x.reshape(x.shape[0], -1, *x.shape[-2:])
    size, rows = int(np.prod(kernel_size)), int(np.prod(query.shape[1:-2]))
    assert rows == size, "one neighbourhood is the whole map"
    for queries, keys, values in heads(flat(query), flat(key), flat(value)):
        attend_backward(queries, keys, values, scale)


# state space models


def sigmoid(x: Any) -> Any:
    return 1 / (1 + exp(-x))


def selective_scan(u, delta, A, B, C, delta_softplus, D_=None, z_=None, delta_bias_=None):
    for b, d in np.ndindex(*u.shape[:2]):
        h = [Scalar(0.0)] * A.shape[1]
        for step in range(u.shape[2]):
            t = delta[b, d, step]
            t = t if delta_bias_ is None else t + delta_bias_[d]
            t = log(1 + exp(t)) if delta_softplus else t
            x = t * u[b, d, step]
            h = [exp(t * A[d, n]) * h[n] + x * B[b, 0, n, step] for n in range(len(h))]
            y = products(h, [C[b, 0, n, step] for n in range(len(h))])
            y = y if D_ is None else y + D_[d] * u[b, d, step]
            y if z_ is None else y * (z_[b, d, step] * sigmoid(z_[b, d, step]))


def causal_conv(x, weight, bias, silu_activation):
    out = np.empty_like(x)
    for b, d, step in np.ndindex(*x.shape):
        taps = [x[b, d, step - k] if step >= k else Scalar(0.0) for k in range(weight.shape[1])]
        y = products(list(weight[d]), taps)
        y = y if bias is None else biased(y, bias[d])
        out[b, d, step] = y * sigmoid(y) if silu_activation else y


def causal_conv_backward(x, weight, bias, dout, silu_activation):
    channels = x.shape[1]
    grad = dout.copy()
    for b, d, step in np.ndindex(*x.shape):
        if silu_activation:
            y = products(list(weight[d]), [Scalar(1.0)] * weight.shape[1])
            y = y if bias is None else biased(y, bias[d])
            s = sigmoid(y)
            grad[b, d, step] = grad[b, d, step] * (s * (1 + y * (1 - s)))
        products(list(weight[d]), [grad[b, d, step]] * weight.shape[1])
    for d in range(channels):
        for _ in range(weight.shape[1]):
            products(list(grad[:, d].ravel()), list(x[:, d].ravel()))
        if bias is not None:
            total(list(grad[:, d].ravel()))


# quantized products


def product(A: np.ndarray, B: np.ndarray, bias: np.ndarray | None = None, scales: int = 0) -> None:
    """A is (M, K), B is (N, K), both of any numbers."""
    for m, n in np.ndindex(len(A), len(B)):
        y = products(list(A[m]), list(B[n]))
        for _ in range(scales):
            y = y * Scalar(0.5)
        y if bias is None else biased(y, bias[n])


def scalar_rows(rows: int, columns: int) -> np.ndarray:
    out = np.empty((rows, columns), dtype=object)
    for index in np.ndindex(rows, columns):
        out[index] = Scalar(1.0)
    return out


def plain_product(A, B):
    product(scalar_rows(*A.shape), scalar_rows(*B.shape))


def scaled_product(A, B, bias):
    product(scalar_rows(*A.shape), scalar_rows(*B.shape), bias, 3)


def mixed_product(CA, CB, bias, outlier_cols):
    A, B = scalar_rows(*CA.shape), scalar_rows(*CB.shape)
    product(A, B, bias, 3)
    if outlier_cols is None:
        return
    size = len(outlier_cols)
    dequantized = np.array([[w * Scalar(0.5) for w in row[:1].repeat(size)] for row in B], dtype=object)
    for m, n in np.ndindex(len(A), len(B)):
        Scalar(1.0) + products([A[m, 0]] * size, list(dequantized[n].reshape(-1)))


def dequantized_sum(A, bias):
    for index in np.ndindex(*A.shape):
        y = Scalar(1.0) * Scalar(1.0) * Scalar(1.0) * 0.5
        y if bias is None else y + bias[index[-1]]


def product_4bit(A, shapeB, bias=None):
    N, K = shapeB
    weights = np.array([w * Scalar(0.5) for w in scalar_rows(N, K).ravel()], dtype=object).reshape(N, K)
    product(A, weights, bias)


def dequantize(out_shape):
    for _ in np.ndindex(*out_shape):
        Scalar(1.0) * Scalar(0.5)


def quantize_rows(A):
    for row in A:
        factor = 127 / reduce(maximum, [abs(x) for x in row])
        for x in row:
            maximum(x * factor, -127.0)


def rowwise(input, bias, out_shape):
    product(input, scalar_rows(out_shape[1], input.shape[1]), bias, 2)


def rowwise_4bit(input, bias, out_shape):
    product(scalar_rows(len(input), 2 * input.shape[1]), scalar_rows(out_shape[1], 2 * input.shape[1]), bias, 2)


def marlin(size_m, size_n, size_k):
    product_4bit(scalar_rows(size_m, size_k), [size_n, size_k])


SMALL = st.integers(1, 3)
FLAG = st.booleans()


@st.composite
def flashed(draw: Any, names: str = "qkv", *, full: bool = True) -> Any:
    batch, head, queries, keys = draw(SMALL), draw(st.integers(1, 2)), draw(SMALL), draw(SMALL)
    shapes = (batch, queries, head, 2), (batch, keys, head, 2), (batch, keys, head, 3)
    labels = names if names == "qkv" else ("query", "key", "value")
    tensors = {name: tensor(*shape, seed=i) for i, (name, shape) in enumerate(zip(labels, shapes, strict=True))}
    out = tensor(batch, queries, head, 3)
    common = {"softmax_scale": 0.5}
    if names == "qkv":
        extra: dict[str, Any] = {"causal": False, "softcap": draw(st.sampled_from([0.0, 30.0]))}
        extra |= {"dropout_p": draw(st.sampled_from([0.0, 0.2]))}
        if draw(FLAG):
            extra["alibi_slopes"] = tensor(head)
        if not full:
            extra = {"is_causal": False, "softcap": extra["softcap"]}
        return Call(tensors | common | extra, out=(out,))
    p = draw(st.sampled_from([0.0, 0.2]))
    if names == "cutlass":
        return Call(tensors | {"scale": 0.5, "dropout_p": p, "custom_mask_type": 0}, out=(out,))
    window = {"window_left": -1, "window_right": -1, "is_causal": False, "p": p}
    return Call(tensors | common | window, out=(out,))


BACK = flashed().map(lambda c: Call({k: v for k, v in c.given.items() if k != "softcap"}, out=c.out))


@st.composite
def neighbours(draw: Any, dims: int) -> Any:
    sizes = [draw(st.integers(1, 2)) for _ in range(dims)]
    shape = (draw(st.integers(1, 2)), *sizes, draw(st.integers(1, 2)))
    tensors = {"query": tensor(*shape, 2), "key": tensor(*shape, 2), "value": tensor(*shape, 3)}
    return Call(tensors | {"kernel_size": sizes, "scale": draw(st.sampled_from([0.5, 0.25]))}, out=(tensor(*shape, 3),))


@st.composite
def scans(draw: Any) -> Any:
    b, d, steps, n = draw(SMALL), draw(SMALL), draw(SMALL), draw(SMALL)
    given_: dict[str, Any] = {
        "u": tensor(b, d, steps),
        "delta": tensor(b, d, steps),
        "A": tensor(d, n),
        "B": tensor(b, 1, n, steps),
        "C": tensor(b, 1, n, steps),
        "delta_softplus": draw(FLAG),
    }
    optional = {"D_": tensor(d), "z_": tensor(b, d, steps), "delta_bias_": tensor(d)}
    return Call(given_ | {k: v for k, v in optional.items() if draw(FLAG)}, out=(tensor(b, d, steps),))


@st.composite
def convolutions(draw: Any) -> Any:
    b, d, steps, taps = draw(SMALL), draw(SMALL), draw(SMALL), draw(SMALL)
    x = tensor(b, d, steps)
    bias = tensor(d) if draw(FLAG) else None
    weight = tensor(d, taps)
    return Call({"x": x, "weight": weight, "bias": bias, "dout": x, "silu_activation": draw(FLAG)}, out=x)


@st.composite
def multiplied(draw: Any, left: str, right: str, *, biased: bool = True, **more: Any) -> Any:
    m, n, k = draw(SMALL), draw(SMALL), draw(SMALL)
    given_: dict[str, Any] = {left: tensor(m, k), right: tensor(n, k)}
    if biased:
        given_["bias"] = tensor(n) if draw(FLAG) else None
    if more.get("outliers"):
        given_["outlier_cols"] = tensor(draw(SMALL)) if draw(FLAG) else None
    return Call(given_, out=tensor(m, n))


def shaped(call: Call) -> Call:
    """The weight's shape as a list beside the packed weight."""
    return Call(call.given | {"shapeB": list(call.given["B"].shape)}, out=call.out)


def sizes(call: Call) -> Call:
    (m, k), n = call.given["A"].shape, call.given["B"].shape[0]
    return Call({"size_m": m, "size_n": n, "size_k": k}, out=call.out)


ROWS = st.tuples(SMALL, SMALL).map(lambda it: Call({"A": tensor(*it)}, out=(tensor(*it), tensor(it[0]), None)))
ANY = st.tuples(SMALL, SMALL).map(lambda it: Call({"A": tensor(*it)}, out=tensor(*it)))
TORCHAO = multiplied("input", "weight")
NATTEN = {
    f"natten::{kind}na{d}d_{way}": Proof(neighbourhood if way == "forward" else neighbourhood_backward, neighbours(d))
    for kind in ("", "hopper_", "blackwell_", "reference_")
    for d in (1, 2, 3)
    for way in ("forward", "backward")
}

PROOFS = {
    "flash_attn::_flash_attn_forward": Proof(flash, flashed()),
    "flash_attn::_flash_attn_varlen_forward": Proof(flash, flashed()),
    "flash_attn::_flash_attn_backward": Proof(flash_backward, BACK),
    "flash_attn::_flash_attn_varlen_backward": Proof(flash_backward, BACK),
    "flash_attn_3::fwd": Proof(flash, flashed(full=False)),
    "xformers_flash::flash_fwd": Proof(named, flashed("named")),
    "xformers_flash::flash_bwd": Proof(named_backward, flashed("named")),
    "xformers::efficient_attention_forward_cutlass": Proof(cutlass, flashed("cutlass")),
    **NATTEN,
    "mamba_ssm::selective_scan_fwd": Proof(selective_scan, scans()),
    "DaoAILab::_causal_conv1d_fwd_cpp": Proof(causal_conv, convolutions()),
    "DaoAILab::_causal_conv1d_update_cpp": Proof(causal_conv, convolutions()),
    "DaoAILab::_causal_conv1d_bwd_cpp": Proof(causal_conv_backward, convolutions()),
    "bitsandbytes::int8_linear_matmul": Proof(plain_product, multiplied("A", "B", biased=False)),
    "bitsandbytes::int8_scaled_mm": Proof(scaled_product, multiplied("A", "B")),
    "bitsandbytes::int8_mixed_scaled_mm": Proof(mixed_product, multiplied("CA", "CB", outliers=True)),
    "bitsandbytes::int8_mm_dequant": Proof(
        dequantized_sum, ANY.map(lambda c: Call(c.given | {"bias": tensor(c.given["A"].shape[1])}, out=c.out))
    ),
    "bitsandbytes::gemv_4bit": Proof(product_4bit, multiplied("A", "B", biased=False).map(shaped)),
    "bitsandbytes::gemm_4bit": Proof(product_4bit, multiplied("A", "B").map(shaped)),
    "bitsandbytes::dequantize_4bit": Proof(dequantize, ANY),
    "bitsandbytes::dequantize_blockwise": Proof(dequantize, ANY),
    "bitsandbytes::int8_vectorwise_dequant": Proof(dequantize, ANY),
    "bitsandbytes::int8_vectorwise_quant": Proof(quantize_rows, ROWS),
    "torchao::rowwise_scaled_linear_cutlass_s8s4": Proof(rowwise, TORCHAO),
    "torchao::rowwise_scaled_linear_sparse_cutlass_f8f8": Proof(rowwise, TORCHAO),
    "torchao::rowwise_scaled_linear_cutlass_s4s4": Proof(rowwise_4bit, TORCHAO),
    "torchao::marlin_24_gemm": Proof(marlin, multiplied("A", "B", biased=False).map(sizes)),
    "torchao::marlin_qqq_gemm": Proof(marlin, multiplied("A", "B", biased=False).map(sizes)),
}


test_counts = proven(PROOFS, examples=10)


def test_every_formula_is_proven() -> None:
    assert unproven(PROOFS, "kernels", "kernels_state_space", "kernels_quantized") == set()


@given(st.integers(1, 6), st.integers(1, 6), FLAG, st.integers(-1, 4), st.integers(-1, 4))
def test_masked_work_of_causal_and_windowed_flash_attention(
    queries: int, keys: int, causal: bool, left: int, right: int
) -> None:
    q, k = TensorSpec((2, queries, 3, 8)), TensorSpec((2, keys, 3, 8))
    cost = flash_attn(q, k, k, 0.0, 0.5, causal, left, right)
    right = 0 if causal else right
    hidden = 0
    for i in range(queries):
        for j in range(keys):
            distance = j - (i + keys - queries)
            hidden += (0 <= right < distance) or (0 <= left < -distance)
    assert cost.masked_macs == 2 * 3 * hidden * (8 + 8)


def test_packed_sequences_count_against_the_longest() -> None:
    q, k = TensorSpec((8, 3, 8)), TensorSpec((10, 3, 8))
    lengths = TensorSpec((3,), "int32")
    packed = flash_attn(q, k, k, 0.0, 0.5, False, cu_seqlens_q=lengths, max_seqlen_q=4, max_seqlen_k=5)
    apart = flash_attn(TensorSpec((2, 4, 3, 8)), TensorSpec((2, 5, 3, 8)), TensorSpec((2, 5, 3, 8)), 0.0, 0.5, False)
    assert packed == apart
