from itertools import product

import numpy as np
import torch
import torch.nn.functional as F
from contraction_proof import (
    array,
    biased,
    check,
    close,
    cost_of,
    each,
    filled,
    note,
    numeric,
    products,
    proves,
    total,
)
from hypothesis import assume, given
from hypothesis import strategies as st
from oracle import Scalar, maximum

from flopsight.cost import TensorSpec

ONES, ZEROS = [1, 1], [0, 0]


@st.composite
def settings_of_a_convolution(draw, transposed=False, dims=2, simple=False):
    """Everything a convolution is called with, by name; the kernel fits into the padded input."""
    pick = lambda low, high: [draw(st.integers(low, high)) for _ in range(dims)]
    groups = draw(st.integers(1, 2))
    kernel, dilation = pick(1, 3), [1] * dims if simple else pick(1, 2)
    stride, padding = pick(1, 3), pick(0, 1)
    extent = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    spatial = [max(1, e - 2 * p) + draw(st.integers(0, 2)) for e, p in zip(extent, padding, strict=True)]
    channels = groups * draw(st.integers(1, 2)), groups * draw(st.integers(1, 2))
    first, second = (channels[0], channels[1] // groups) if transposed else (channels[1], channels[0] // groups)
    call = {
        "input": array((draw(st.integers(0, 2)), channels[0], *spatial)),
        "weight": array((first, second, *kernel), 1),
        "stride": stride,
        "padding": padding,
        "dilation": dilation,
        "groups": groups,
        "output_padding": [draw(st.integers(0, max(s, d) - 1)) for s, d in zip(stride, dilation, strict=True)]
        if transposed
        else [0] * dims,
        "transposed": transposed,
    }
    assume(not transposed or min(transposed_shape(call)[2:]) > 0)
    return call


def padded(x, padding):
    """Zeros around; their products count like any other."""
    out = np.empty((*x.shape[:2], *(s + 2 * p for s, p in zip(x.shape[2:], padding, strict=True))), dtype=object)
    for index in np.ndindex(*out.shape):
        out[index] = Scalar(0.0)
    inner = tuple(slice(p, p + s) for p, s in zip(padding, x.shape[2:], strict=True))
    out[(slice(None), slice(None), *inner)] = x
    return out


def ordinary(x, weight, bias, call):
    """Every result is one dot product with a window of the padded input."""
    x = padded(x, call["padding"])
    Co, per_group, *kernel = weight.shape
    extent = [d * (k - 1) + 1 for d, k in zip(call["dilation"], kernel, strict=True)]
    spatial = [(s - e) // t + 1 for s, e, t in zip(x.shape[2:], extent, call["stride"], strict=True)]

    def at(n, o, *y):
        first = o // (Co // call["groups"]) * per_group
        window = tuple(slice(t * i, t * i + e, d) for t, i, e, d in
                       zip(call["stride"], y, extent, call["dilation"], strict=True))  # fmt: skip
        return products(x[(n, slice(first, first + per_group), *window)].ravel(), weight[o].ravel())

    result = filled((x.shape[0], Co, *spatial), at)
    return result if bias is None else each(biased, result, bias.reshape(-1, *[1] * len(kernel)))


def scatter(x, weight, channels, call):
    """The canvas that every element of x is spread over, times the weights of its channel: position -> sum."""
    per_group = weight.shape[1]
    canvas = {}
    for n, c, *i in np.ndindex(*x.shape):
        first = c // (x.shape[1] // call["groups"]) * per_group
        for o, *k in np.ndindex(*weight.shape[1:]):
            at = (n, first + o, *(t * a + d * b for t, a, d, b in
                                  zip(call["stride"], i, call["dilation"], k, strict=True)))  # fmt: skip
            term = x[(n, c, *i)] * weight[(c, o, *k)]
            note(macs=1, results=0 if at in canvas else 1)
            canvas[at] = canvas[at] + term if at in canvas else term
    return canvas


def cropped(canvas, shape, padding):
    """What of the canvas is the result; positions that nothing reaches are 0."""
    return filled(
        shape, lambda n, c, *y: canvas.get((n, c, *(a + p for a, p in zip(y, padding, strict=True))), Scalar(0.0))
    )


def transposed_shape(call):
    x, weight = call["input"], call["weight"]
    spatial = [(s - 1) * t - 2 * p + d * (k - 1) + o + 1 for s, t, p, d, k, o in zip(
        x.shape[2:], call["stride"], call["padding"], call["dilation"], weight.shape[2:], call["output_padding"],
        strict=True)]  # fmt: skip
    return (x.shape[0], weight.shape[1] * call["groups"], *(max(s, 0) for s in spatial))


def transposed(call, bias=None):
    canvas = scatter(call["input"], call["weight"], None, call)
    result = cropped(canvas, transposed_shape(call), call["padding"])
    return result if bias is None else each(biased, result, bias.reshape(-1, *[1] * (result.ndim - 2)))


def named(operator, call, **names):
    """The arguments of `call` that the operator has; `names` renames some."""
    known = {a.name for s in torch._C._jit_get_schemas_for_operator(operator) for a in s.arguments}
    return {names.get(name, name): item for name, item in call.items() if names.get(name, name) in known}


def bias_for(call, with_bias, channels):
    return array((channels,), 2) if with_bias else None


@proves("aten::convolution", "aten::_convolution", "aten::convolution_overrideable")
@given(call=settings_of_a_convolution(), with_bias=st.booleans())
def test_ordinary(operator, call, with_bias):
    bias = bias_for(call, with_bias, call["weight"].shape[0])
    mine = check(operator, {**call, "bias": bias}, lambda: ordinary(call["input"], call["weight"], bias, call))
    close(mine, theirs(call, bias))


@proves("aten::convolution", "aten::_convolution", "aten::convolution_overrideable")
@given(call=settings_of_a_convolution(transposed=True), with_bias=st.booleans())
def test_transposed(operator, call, with_bias):
    bias = bias_for(call, with_bias, transposed_shape(call)[1])
    mine = check(operator, {**call, "bias": bias}, lambda: transposed(call, bias))
    if mine.size:
        close(mine, theirs(call, bias))


def theirs(call, bias):
    order = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    tensors = numeric(call["input"]), numeric(call["weight"]), None if bias is None else numeric(bias)
    return torch.ops.aten.convolution(*tensors, *(call[name] for name in order))


FORWARD = {
    1: ("aten::conv1d",),
    2: (
        "aten::conv2d", "aten::_convolution_mode", "aten::mkldnn_convolution", "aten::cudnn_convolution",
        "aten::miopen_convolution", "aten::miopen_depthwise_convolution", "aten::_mps_convolution",
        "aten::_nnpack_spatial_convolution", "aten::_slow_conv2d_forward", "aten::thnn_conv2d",
        "aten::slow_conv_dilated2d", "aten::_conv_depthwise2d",
    ),
    3: (
        "aten::conv3d", "aten::slow_conv3d", "aten::slow_conv3d_forward", "aten::slow_conv_dilated3d",
        "aten::conv_depthwise3d",
    ),
}  # fmt: skip
DIMS = {operator: dims for dims, operators in FORWARD.items() for operator in operators}


@proves(*DIMS)
@given(data=st.data(), with_bias=st.booleans())
def test_forward(operator, data, with_bias):
    call = data.draw(settings_of_a_convolution(dims=DIMS[operator]))
    bias = bias_for(call, with_bias and "cudnn" not in operator, call["weight"].shape[0])
    source = "input" if "conv" in operator[6:10] or operator.endswith("mode") else "self"
    known = named(operator, {**call, "bias": bias, "padding": "valid"}, input=source)
    if "cudnn" in operator:
        known.pop("bias", None)
    check(operator, known, lambda: ordinary(call["input"], call["weight"], bias, call))


AFTER = {
    "aten::cudnn_convolution_relu": False, "aten::miopen_convolution_relu": False,
    "aten::cudnn_convolution_add_relu": True, "aten::miopen_convolution_add_relu": True,
}  # fmt: skip


@proves(*AFTER)
@given(call=settings_of_a_convolution(), with_bias=st.booleans(), alpha=st.sampled_from([None, 1, 2]))
def test_then_relu(operator, call, with_bias, alpha):
    bias = bias_for(call, with_bias, call["weight"].shape[0])

    def reference():
        result = ordinary(call["input"], call["weight"], bias, call)
        if AFTER[operator]:
            z = array(result.shape, 3)
            z = z if alpha in (None, 1) else each(lambda x: x * alpha, z)
            result = each(lambda x, y: x + y, result, z)
        return each(lambda x: maximum(x, 0), result)

    known = named(operator, {**call, "bias": bias, "alpha": alpha}, input="self")
    check(operator, known, reference)


@proves("mkldnn::_convolution_pointwise")
@given(call=settings_of_a_convolution(), binary=st.sampled_from(["add", "mul"]), unary=st.sampled_from([None, "relu"]))
def test_with_another(operator, call, binary, unary):
    known = named(operator, call, input="X", weight="W") | {"B": None, "binary_attr": binary, "unary_attr": unary}
    apply = {"mul": lambda a, b: a * b, "add": lambda a, b: a + b}[binary]

    def reference():
        result = ordinary(call["input"], call["weight"], None, call)
        result = each(apply, result, array(result.shape, 3))
        return each(lambda x: maximum(x, 0), result) if unary else result

    check(operator, known, reference)


@proves("mkldnn::_convolution_pointwise")
@given(call=settings_of_a_convolution(), with_bias=st.booleans())
def test_pointwise_after(operator, call, with_bias):
    bias = bias_for(call, with_bias, call["weight"].shape[0])
    known = named(operator, {**call, "bias": bias, "attr": "relu"}, input="X", weight="W", bias="B")
    relu = lambda result: each(lambda x: maximum(x, 0), result)
    check(operator, known, lambda: relu(ordinary(call["input"], call["weight"], bias, call)))


TRANSPOSED = {
    "aten::conv_transpose1d": 1, "aten::conv_transpose2d": 2, "aten::conv_transpose3d": 3,
    "aten::slow_conv_transpose2d": 2, "aten::slow_conv_transpose3d": 3, "aten::cudnn_convolution_transpose": 2,
    "aten::miopen_convolution_transpose": 2, "aten::_mps_convolution_transpose": 2,
}  # fmt: skip


@proves(*TRANSPOSED)
@given(data=st.data(), with_bias=st.booleans())
def test_transposed_forward(operator, data, with_bias):
    call = data.draw(settings_of_a_convolution(transposed=True, dims=TRANSPOSED[operator]))
    if "slow" in operator:
        call = {**call, "weight": call["weight"].reshape(-1, 1, *call["weight"].shape[2:])[: call["input"].shape[1]]}
        call["groups"] = 1
        call["input"] = call["input"][:, : call["weight"].shape[0]]
    bias = bias_for(call, with_bias, transposed_shape(call)[1])
    if operator.startswith(("aten::cudnn", "aten::_mps")):
        bias = None
    source = "input" if operator.startswith("aten::conv") else "self"
    known = named(operator, {**call, "bias": bias}, input=source)
    check(operator, known, lambda: transposed(call, bias))


@proves("mkldnn::_convolution_transpose_pointwise")
@given(call=settings_of_a_convolution(transposed=True), with_bias=st.booleans())
def test_transposed_pointwise(operator, call, with_bias):
    bias = bias_for(call, with_bias, transposed_shape(call)[1])
    known = named(operator, {**call, "bias": bias, "attr": "relu"}, input="X", weight="W", bias="B")
    check(operator, known, lambda: each(lambda x: maximum(x, 0), transposed(call, bias)))


@proves("aten::conv_tbc")
@given(
    length=st.integers(3, 5), batch=st.integers(0, 2), Ci=st.integers(1, 3), Co=st.integers(1, 3), pad=st.integers(0, 1)
)
def test_conv_tbc(operator, length, batch, Ci, Co, pad):
    x, weight, bias = array((length, batch, Ci)), array((3, Ci, Co), 1), array((Co,), 2)
    call = {"stride": [1], "padding": [pad], "dilation": [1], "groups": 1}

    def reference():
        return ordinary(x.transpose(1, 2, 0), weight.transpose(2, 1, 0), bias, call).transpose(2, 0, 1)

    mine = check(operator, {"self": x, "weight": weight, "bias": bias, "pad": pad}, reference)
    close(mine, torch.conv_tbc(numeric(x), numeric(weight), numeric(bias), pad))


def backward(grad, call, mask):
    """Gradients of input, weight and bias."""
    x, weight = call["input"], call["weight"]
    of_bias = filled((grad.shape[1],), lambda c: total(grad[:, c].ravel())) if mask[2] else None
    if call["transposed"]:
        of_input = (
            ordinary(grown(grad, call), weight, None, {**call, "padding": [0] * (x.ndim - 2)}) if mask[0] else None
        )
        return of_input, weight_gradient(x, grown(grad, call), call) if mask[1] else None, of_bias
    of_input = cropped(scatter(grad, weight, None, call), x.shape, call["padding"]) if mask[0] else None
    return of_input, weight_gradient(grad, padded(x, call["padding"]), call) if mask[1] else None, of_bias


def grown(grad, call):
    """The gradient of a transposed result, on the canvas: what was cropped is 0 again, what was appended is cut off."""
    wide = padded(grad, call["padding"])
    kernel = call["weight"].shape[2:]
    reach = [(s - 1) * t + d * (k - 1) + 1 for s, t, d, k in
             zip(call["input"].shape[2:], call["stride"], call["dilation"], kernel, strict=True)]  # fmt: skip
    return wide[(slice(None), slice(None), *(slice(r) for r in reach))]


def weight_gradient(small, large, call):
    """small: the side without stride. Each weight meets every position of it once, over the whole batch."""
    weight = call["weight"]
    across, along = small.shape[1], large.shape[1]
    spatial = small.shape[2:]

    def at(c, o, *k):
        first = c // (across // call["groups"]) * (along // call["groups"])
        places = [slice(d * b, d * b + t * (s - 1) + 1, t) for d, b, t, s in
                  zip(call["dilation"], k, call["stride"], spatial, strict=True)]  # fmt: skip
        return products(small[:, c].ravel(), large[(slice(None), first + o, *places)].ravel())

    return filled(weight.shape, at)


masks = st.lists(st.booleans(), min_size=3, max_size=3)


@proves("aten::convolution_backward", "aten::convolution_backward_overrideable")
@given(data=st.data(), mask=masks, is_transposed=st.booleans())
def test_backward(operator, data, mask, is_transposed):
    call = data.draw(settings_of_a_convolution(transposed=is_transposed).filter(lambda c: c["input"].shape[0]))
    forward = theirs(call, None)
    grad = array(tuple(forward.shape), 3)
    if not grad.size:
        return
    known = named(operator, {**call, "grad_output": grad, "output_mask": mask})
    mine = check(operator, known, lambda: backward(grad, call, mask))
    order = ("stride", "padding", "dilation", "transposed", "output_padding", "groups")
    tensors = numeric(grad), numeric(call["input"]), numeric(call["weight"]), [grad.shape[1]]
    for got, wanted in zip(
        mine, torch.ops.aten.convolution_backward(*tensors, *(call[n] for n in order), mask), strict=True
    ):
        if got is not None:
            close(got, wanted)


@proves("aten::_slow_conv2d_backward", "aten::mps_convolution_backward", "aten::mps_convolution_transpose_backward")
@given(data=st.data(), mask=masks)
def test_backward_by_backend(operator, data, mask):
    call = data.draw(
        settings_of_a_convolution(transposed="transpose" in operator, simple=True).filter(lambda c: c["input"].shape[0])
    )
    if "slow" in operator:
        call = {**call, "groups": 1, "input": call["input"][:, : call["weight"].shape[1]]}
    if "transpose" in operator:
        mask[2] = False
    grad = array(tuple(theirs(call, None).shape), 3)
    if grad.size:
        known = named(operator, {**call, "grad_output": grad, "output_mask": mask}, input="self")
        check(operator, known, lambda: backward(grad, call, mask))


@proves("aten::conv_tbc_backward")
@given(
    length=st.integers(3, 5), batch=st.integers(1, 2), Ci=st.integers(1, 3), Co=st.integers(1, 3), pad=st.integers(0, 1)
)
def test_conv_tbc_backward(operator, length, batch, Ci, Co, pad):
    x, weight, grad = array((length, batch, Ci)), array((3, Ci, Co), 1), array((length - 2 + 2 * pad, batch, Co), 2)
    call = {"stride": [1], "padding": [pad], "dilation": [1], "groups": 1, "transposed": False}
    call |= {"input": x.transpose(1, 2, 0), "weight": weight.transpose(2, 1, 0)}

    def reference():
        of_input, of_weight, of_bias = backward(grad.transpose(1, 2, 0), call, [True] * 3)
        return of_input.transpose(2, 0, 1), of_weight.transpose(2, 1, 0), of_bias

    check(operator, {"self": grad, "input": x, "weight": weight, "bias": array((Co,)), "pad": pad}, reference)


def test_the_textbook_convolution():
    Ci, K, H, W, Co = 3, 5, 7, 9, 4
    given = {"weight": TensorSpec((Co, Ci, K, K)), "bias": None}
    out = TensorSpec((1, Co, H, W))
    assert cost_of("aten::conv2d", given, out).linear == (2 * Ci * K * K - 1) * H * W * Co
    assert cost_of("aten::conv2d", {**given, "bias": TensorSpec((Co,))}, out).linear == 2 * Ci * K * K * H * W * Co


def test_a_grouped_weight_gradient_costs_what_forward_costs():
    call = {"stride": ONES, "dilation": ONES, "transposed": False}
    x, weight, out = TensorSpec((2, 8, 6, 6)), TensorSpec((8, 1, 3, 3)), TensorSpec((2, 8, 4, 4))
    forward = cost_of("aten::convolution", {**call, "input": x, "weight": weight, "bias": None, "groups": 8}, out)
    given = {**call, "grad_output": out, "input": x, "weight": weight, "output_mask": [False, True, False]}
    assert cost_of("aten::convolution_backward", given, (None, weight, None)).macs == forward.macs == 2 * 8 * 4 * 4 * 9


def test_reached_positions_by_counting():
    from flopsight.formulas.convolution.forward import _reached

    for size, taps, stride, dilation in product(range(6), range(1, 5), range(1, 5), range(1, 5)):
        positions = {stride * i + dilation * k for i in range(size) for k in range(taps)}
        assert _reached(size, taps, stride, dilation) == len(positions)


def test_a_transposed_convolution_computes_what_pytorch_does():
    x, weight = array((1, 2, 3, 3)), array((2, 2, 2, 2), 1)
    call = {"input": x, "weight": weight, "stride": [2, 2], "padding": ZEROS, "dilation": ONES, "groups": 1}
    call |= {"output_padding": [1, 0], "transposed": True}
    wanted = F.conv_transpose2d(numeric(x), numeric(weight), stride=2, output_padding=(1, 0))
    close(transposed(call), wanted)
