import numpy as np
import torch
import torch.ao.quantization.fx._decomposed  # registers quantized_decomposed
from contraction_proof import array, biased, check, each, filled, products, proves
from formulas.test_contraction_scaled import scaled
from formulas.test_convolution import ordinary, settings_of_a_convolution, transposed
from formulas.test_recurrent import affine, finish, networks, weights_of
from formulas.test_recurrent import network as recurrent_network
from hypothesis import given
from hypothesis import strategies as st
from oracle import maximum, minimum, tanh

from flopsight.cost import TensorSpec

assert torch.ops.quantized_decomposed is not None
sizes = st.integers(1, 3)


def rounded(x):
    """One comparison, as a rounding counts."""
    return maximum(x, x)


def quantized(x, scale=0.5, zero=3):
    return minimum(maximum(rounded(x / scale) + zero, 0), 255)


def restored(x, scale=0.5, zero=3):
    return (x - zero) * scale


def argument_of(operator, *names):
    known = {a.name for s in torch._C._jit_get_schemas_for_operator(operator) for a in s.arguments}
    return next(name for name in names if name in known)


@proves(
    "aten::quantize_per_tensor", "aten::quantize_per_channel", "quantized_decomposed::quantize_per_tensor",
    "quantized_decomposed::quantize_per_channel", "quantized_decomposed::quantize_per_token",
    "quantized_decomposed::quantize_per_channel_group",
)  # fmt: skip
@given(m=st.integers(0, 3), n=sizes)
def test_quantize(operator, m, n):
    x = array((m, n))
    check(operator, {argument_of(operator, "self", "input"): x}, lambda: each(quantized, x))


@proves(
    "aten::dequantize", "quantized_decomposed::dequantize_per_tensor", "quantized_decomposed::dequantize_per_channel",
    "quantized_decomposed::dequantize_per_token", "quantized_decomposed::dequantize_per_channel_group",
)  # fmt: skip
@given(m=st.integers(0, 3), n=sizes)
def test_dequantize(operator, m, n):
    x = array((m, n))
    check(operator, {argument_of(operator, "self", "input"): x}, lambda: each(restored, x))


@proves(
    "aten::fake_quantize_per_tensor_affine", "aten::fake_quantize_per_channel_affine",
    "aten::_fake_quantize_learnable_per_tensor_affine", "aten::_fake_quantize_learnable_per_channel_affine",
    "quantized_decomposed::fake_quant_per_channel",
)  # fmt: skip
@given(m=st.integers(0, 3), n=sizes)
def test_fake_quantize(operator, m, n):
    x = array((m, n))
    check(operator, {argument_of(operator, "self", "input"): x}, lambda: each(lambda v: restored(quantized(v)), x))


@proves(
    "aten::fake_quantize_per_tensor_affine_cachemask", "aten::fake_quantize_per_channel_affine_cachemask",
    "aten::_fake_quantize_per_tensor_affine_cachemask_tensor_qparams",
)  # fmt: skip
@given(m=st.integers(0, 3), n=sizes)
def test_fake_quantize_with_mask(operator, m, n):
    x = array((m, n))

    def one(v):
        q = rounded(v / 0.5) + 3
        _ = maximum(q >= 0, q <= 255)
        return restored(minimum(maximum(q, 0), 255))

    check(operator, {"self": x}, lambda: (each(one, x), x))


@proves(
    "aten::fake_quantize_per_tensor_affine_cachemask_backward",
    "aten::fake_quantize_per_channel_affine_cachemask_backward",
)
@given(m=st.integers(0, 3), n=sizes)
def test_fake_quantize_backward(operator, m, n):
    g, mask = array((m, n)), np.ones((m, n))
    check(operator, {"grad": g, "mask": TensorSpec((m, n), "bool")}, lambda: each(lambda a, b: a * b, g, mask))


def chosen(items):
    """Scale and zero point from the range."""
    most = least = items[0]
    for x in items[1:]:
        most, least = maximum(most, x), minimum(least, x)
    most, least = maximum(most, 0), minimum(least, 0)
    scale = maximum((most - least) / 255, 1e-9)
    return scale, minimum(maximum(0 - rounded(least / scale), 0), 255)


def dynamically(x):
    scale, zero = chosen(list(x.ravel()))
    return each(lambda v: quantized(v, scale, zero), x)


@proves("aten::quantize_per_tensor_dynamic")
@given(m=sizes, n=sizes)
def test_dynamic(operator, m, n):
    x = array((m, n))
    check(operator, {"self": x}, lambda: dynamically(x))


@proves(
    "quantized_decomposed::choose_qparams", "quantized_decomposed::choose_qparams_per_token_asymmetric",
    "quantized_decomposed::_choose_qparams_per_token_asymmetric_impl",
)  # fmt: skip
@given(m=sizes, n=sizes)
def test_choice(operator, m, n):
    x = array((m, n))
    rows = [list(x.ravel())] if operator.endswith("params") else [list(row) for row in x]
    check(operator, {"input": x}, lambda: (np.array([chosen(row)[0] for row in rows], dtype=object), x))


def centred(x):
    return each(lambda v: v - 3, x)


def linear(x, weight, bias=None):
    """Of integers: the zero points are subtracted first; scaled."""
    x, weight = centred(x), centred(weight)
    result = filled((len(x), len(weight)), lambda i, j: products(x[i], weight[j]))
    result = result if bias is None else each(biased, result, bias)
    return scaled(result, array(()))


AFTER = {
    "": lambda x: x, "_relu": lambda x: maximum(x, 0), "_tanh": tanh,
    "_leaky_relu": lambda x: maximum(x * 0.1, x),
}  # fmt: skip


@proves("quantized::linear", "quantized::linear_relu", "quantized::linear_tanh", "quantized::linear_leaky_relu")
@given(m=sizes, k=sizes, n=sizes, with_bias=st.booleans())
def test_linear(operator, m, k, n, with_bias):
    x, weight, bias = array((m, k)), array((n, k), 1), array((n,), 2) if with_bias else None
    after = AFTER[operator.removeprefix("quantized::linear")]
    run = lambda: each(lambda v: quantized(after(v)), linear(x, weight, bias))
    check(operator, {"X": x, "W_prepack": weight, "packed_bias": bias}, run)


@proves("quantized::linear_dynamic", "quantized::linear_relu_dynamic")
@given(m=sizes, k=sizes, n=sizes, with_bias=st.booleans())
def test_linear_dynamic(operator, m, k, n, with_bias):
    x, weight, bias = array((m, k)), array((n, k), 1), array((n,), 2) if with_bias else None
    after = AFTER["_relu" if "relu" in operator else ""]
    given_ = {"X": x, "W_prepack": weight, "packed_bias": bias}
    check(operator, given_, lambda: each(after, linear(dynamically(x), weight, bias)))


@proves(
    "quantized::linear_dynamic_fp16", "quantized::linear_relu_dynamic_fp16",
    "quantized::linear_dynamic_fp16_unpacked_weight", "onednn::linear_dynamic_fp16", "onednn::linear_relu_dynamic_fp16",
)  # fmt: skip
@given(m=sizes, k=sizes, n=sizes, with_bias=st.booleans())
def test_linear_half(operator, m, k, n, with_bias):
    x, weight, bias = array((m, k)), array((n, k), 1), array((n,), 2) if with_bias else None
    packed = operator.endswith("fp16") and operator.startswith("quantized")
    after = AFTER["_relu" if "relu" in operator else ""]

    def reference():
        result = filled((m, n), lambda i, j: products(x[i], weight[j]))
        return each(after, each(biased, result, bias) if with_bias else result)

    check(operator, {argument_of(operator, "X", "x"): x, "packed_bias" if packed else "bias": bias}, reference)


@proves("onednn::qlinear_pointwise")
@given(m=sizes, k=sizes, n=sizes, with_bias=st.booleans(), float_out=st.booleans(), binary=st.booleans())
def test_onednn_linear(operator, m, k, n, with_bias, float_out, binary):
    x, weight, bias = array((m, k)), array((n, k), 1), array((n,), 2) if with_bias else None

    def finish_one(v):
        v = maximum(v, 0) if not binary else maximum(v + restored(v), 0)
        return v if float_out else quantized(v)

    arguments = {"qx": x, "qw": weight.T, "bias": bias, "output_dtype": "float32" if float_out else None}
    names = {"binary_post_op": "add", "unary_post_op": "relu"} if binary else {"post_op_name": "relu"}
    check(operator, {**arguments, **names}, lambda: each(finish_one, linear(x, weight, bias)))


def convolved(call, bias=None):
    inner = {**call, "padding": [0] * (call["input"].ndim - 2)}
    return scaled(ordinary(centred(call["input"]), centred(call["weight"]), bias, inner), array(()))


def bias_of(draw, channels):
    return array((channels,), 2) if draw(st.booleans()) else None


CONVOLUTIONS = {f"quantized::conv{dims}d{suffix}": dims for dims in (1, 2, 3) for suffix in ("", "_relu")}
CONVOLUTIONS |= {"quantized::conv2d_add": 2, "quantized::conv2d_add_relu": 2}


@st.composite
def integer_convolutions(draw, dims):
    """Without padding, and whole."""
    call = draw(settings_of_a_convolution(dims=dims))
    kernel = [d * (k - 1) + 1 for d, k in zip(call["dilation"], call["weight"].shape[2:], strict=True)]
    spatial = tuple(max(a, b) for a, b in zip(call["input"].shape[2:], kernel, strict=True))
    return {**call, "input": array((max(1, call["input"].shape[0]), call["input"].shape[1], *spatial))}


@proves(*CONVOLUTIONS)
@given(data=st.data())
def test_convolution(operator, data):
    call = data.draw(integer_convolutions(CONVOLUTIONS[operator]))
    bias = bias_of(data.draw, len(call["weight"]))

    def one(v):
        v = v + restored(v) if "_add" in operator else v
        return quantized(maximum(v, 0) if operator.endswith("relu") else v)

    given_ = {"qx": call["input"], "packed_weight": call["weight"], "packed_bias": bias}
    check(operator, given_, lambda: each(one, convolved(call, bias)))


@proves("quantized::conv1d_dynamic", "quantized::conv2d_dynamic", "quantized::conv3d_dynamic")
@given(data=st.data())
def test_dynamic_convolution(operator, data):
    call = data.draw(integer_convolutions(int(operator[15])))
    bias = bias_of(data.draw, len(call["weight"]))

    def reference():
        return convolved({**call, "input": dynamically(call["input"])}, bias)

    check(operator, {"qx": call["input"], "packed_weight": call["weight"], "packed_bias": bias}, reference)


@proves(*(f"quantized::conv_transpose{dims}d{dynamic}" for dims in (1, 2, 3) for dynamic in ("", "_dynamic")))
@given(data=st.data())
def test_transposed_convolution(operator, data):
    """A stride of 1: every result has a term."""
    dims, dynamic = int(operator.removesuffix("_dynamic")[-2]), operator.endswith("_dynamic")
    call = data.draw(settings_of_a_convolution(transposed=True, dims=dims))
    ones = {"stride": [1] * dims, "dilation": [1] * dims, "padding": [0] * dims, "output_padding": [0] * dims}
    call = {**call, **ones, "input": array((1, *call["input"].shape[1:]))}
    bias = bias_of(data.draw, call["weight"].shape[1] * call["groups"])

    def reference():
        source = dynamically(call["input"]) if dynamic else call["input"]
        centred_call = {**call, "input": centred(source), "weight": centred(call["weight"])}
        result = scaled(transposed(centred_call, bias), array(()))
        return result if dynamic else each(quantized, result)

    check(operator, {"qx": call["input"], "packed_weight": call["weight"], "packed_bias": bias}, reference)


@proves(
    "onednn::qconv_pointwise", "onednn::qconv1d_pointwise", "onednn::qconv2d_pointwise", "onednn::qconv3d_pointwise"
)
@given(data=st.data(), with_bias=st.booleans())
def test_onednn_convolution(operator, data, with_bias):
    call = data.draw(integer_convolutions(int(operator[13]) if operator[13].isdigit() else 2))
    bias = array((call["weight"].shape[0],), 2) if with_bias else None
    run = lambda: each(lambda v: quantized(maximum(v, 0)), convolved(call, bias))
    check(operator, {"qx": call["input"], "qw": call["weight"], "bias": bias, "attr": "relu"}, run)


@proves("quantized::matmul")
@given(m=sizes, k=sizes, n=sizes)
def test_matmul(operator, m, k, n):
    a, b = array((m, k)), array((k, n), 1)
    check(operator, {"qa": a, "qb": b}, lambda: each(quantized, linear(a, b.T)))


PAIRS = {f"quantized::{name}{scalar}{relu}{out}": (name, scalar, relu) for name in ("add", "mul")
         for scalar in ("", "_scalar") for relu in ("", "_relu") for out in ("", "_out")}  # fmt: skip


@proves(*PAIRS)
@given(m=st.integers(0, 3), n=sizes)
def test_pairs(operator, m, n):
    name, scalar, relu = PAIRS[operator]
    a, b = array((m, n)), array((m, n), 1)

    def one(x, y):
        x, y = restored(x), 2.0 if scalar else restored(y)
        result = x + y if name == "add" else x * y
        return quantized(maximum(result, 0) if relu else result)

    check(operator, {"qa": a, "b": 2} if scalar else {"qa": a, "qb": b}, lambda: each(one, a, b))


CELLS = {f"quantized::quantized_{kind}_cell_dynamic": kind for kind in ("lstm", "gru", "rnn_tanh", "rnn_relu")}


@proves(*CELLS)
@given(R=st.integers(0, 3), inputs=sizes, hidden=sizes)
def test_cell(operator, R, inputs, hidden):
    kind = CELLS[operator]
    w_ih, w_hh, b_ih, b_hh, _ = weights_of(kind, inputs, hidden, hidden, True, False, 1)
    x, h, c = array((R, inputs)), array((R, hidden), 7), array((R, hidden), 8)
    run = lambda: finish(kind, affine(x, w_ih, b_ih), affine(h, w_hh, b_hh), h, c)[0]
    check(operator, {"input": x, "w_ih": w_ih, "w_hh": w_hh}, run)


@proves("aten::quantized_lstm", "aten::quantized_gru")
@given(data=st.data())
def test_network(operator, data):
    kind = operator.removeprefix("aten::quantized_")
    steps, h, c, layers, bidirectional, bias = data.draw(networks(kind, packed=False, projection=False))
    arguments = {"input": np.stack(steps), "hx": [h, c] if kind == "lstm" else h, "has_biases": bias}
    arguments |= {"num_layers": len(layers) // (2 if bidirectional else 1), "bidirectional": bidirectional}
    run = lambda: np.stack(recurrent_network(kind, steps, h, c, layers, bidirectional, 0))
    check(operator, arguments, run)
