import numpy as np
import torch
from contraction_proof import array, biased, check, close, each, filled, numeric, products, proves
from hypothesis import given
from hypothesis import strategies as st
from oracle import exp, maximum, tanh

from flopsight.cost import TensorSpec

sizes = st.integers(1, 3)
MODES = {"rnn_relu": 0, "rnn_tanh": 1, "lstm": 2, "gru": 3}
GATES = {"rnn_relu": 1, "rnn_tanh": 1, "lstm": 4, "gru": 3}


def sigmoid(x):
    return 1 / (1 + exp(-x))


def affine(x, weight, bias):
    result = filled((x.shape[0], weight.shape[0]), lambda r, g: products(x[r], weight[g]))
    return result if bias is None else each(biased, result, bias)


def finish(kind, of_input, of_state, h, c):
    """A step from the products of its gates: the new state and cell."""
    if kind == "gru":
        (xr, xz, xn), (hr, hz, hn) = np.split(of_input, 3, 1), np.split(of_state, 3, 1)
        r, z = each(lambda a, b: sigmoid(a + b), xr, hr), each(lambda a, b: sigmoid(a + b), xz, hz)
        n = each(lambda a, r, b: tanh(a + r * b), xn, r, hn)
        return each(lambda h, n, z: (h - n) * z + n, h, n, z), None
    gates = each(lambda a, b: a + b, of_input, of_state)
    if kind != "lstm":
        return each(tanh if kind == "rnn_tanh" else lambda x: maximum(x, 0), gates), None
    i, f, g, o = np.split(gates, 4, 1)
    i, f, g, o = each(sigmoid, i), each(sigmoid, f), each(tanh, g), each(sigmoid, o)
    c = each(lambda f, c, i, g: f * c + i * g, f, c, i, g)
    return each(lambda o, c: o * tanh(c), o, c), c


def direction(kind, steps, h, c, weights, reverse):
    """One direction of one layer; `steps`: the rows of each step, fewer in later ones if sequences end."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    outputs = [None] * len(steps)
    for t in range(len(steps))[:: -1 if reverse else 1]:
        x, rows = steps[t], len(steps[t])
        state, cell = finish(
            kind, affine(x, w_ih, b_ih), affine(h[:rows], w_hh, b_hh), h[:rows], None if c is None else c[:rows]
        )
        if w_hr is not None:
            state = affine(state, w_hr, None)
        outputs[t] = state
        h = np.concatenate([state, h[rows:]])
        c = None if c is None else np.concatenate([cell, c[rows:]])
    return outputs


def network(kind, steps, h, c, layers, bidirectional, dropout):
    """layers: a tuple of weights for each layer and direction in turn."""
    directions = 2 if bidirectional else 1
    for first in range(0, len(layers), directions):
        both = [
            direction(kind, steps, h[first + d], None if c is None else c[first + d], layers[first + d], d == 1)
            for d in range(directions)
        ]
        steps = [np.concatenate(parts, axis=1) for parts in zip(*both, strict=True)]
        if dropout and first + directions < len(layers):
            steps = [each(lambda x: x * 1.0 * 2.0, x) for x in steps]
    return steps


def weights_of(kind, inputs, hidden, state, bias, projected, seed):
    gates = GATES[kind] * hidden
    scale = lambda x: each(lambda v: type(v)(v.value - 1), x)
    b = (scale(array((gates,), seed + 2)), scale(array((gates,), seed + 3))) if bias else (None, None)
    projection = scale(array((state, hidden), seed + 4)) if projected else None
    return scale(array((gates, inputs), seed)), scale(array((gates, state), seed + 1)), *b, projection


@st.composite
def networks(draw, kind, packed=None, projection=True):
    """steps, first states, layers, and how they are arranged."""
    directions, depth = draw(st.integers(1, 2)), draw(st.integers(1, 2))
    inputs, hidden = draw(sizes), draw(st.integers(2, 3))
    projected = projection and kind == "lstm" and draw(st.booleans())
    state, bias = hidden - 1 if projected else hidden, draw(st.booleans())
    batch_sizes = sorted(draw(st.lists(sizes, min_size=1, max_size=3)), reverse=True)
    if not (draw(st.booleans()) if packed is None else packed):
        batch_sizes = [batch_sizes[0]] * len(batch_sizes)
    steps = [array((n, inputs), 20 + t) for t, n in enumerate(batch_sizes)]
    layers = [
        weights_of(kind, inputs if at < directions else state * directions, hidden, state, bias, projected, 40 + 5 * at)
        for at in range(directions * depth)
    ]
    h = array((len(layers), batch_sizes[0], state), 30)
    c = array((len(layers), batch_sizes[0], hidden), 31) if kind == "lstm" else None
    return steps, h, c, layers, directions == 2, bias


def flat(layers):
    return [weight for weights in layers for weight in weights if weight is not None]


def by_time(steps):
    """One array for steps of one size: (T, B, I)."""
    return np.stack(steps)


@proves("aten::lstm", "aten::gru", "aten::rnn_tanh", "aten::rnn_relu")
@given(data=st.data(), dropout=st.sampled_from([0.0, 0.5]), train=st.booleans())
def test_network(operator, data, dropout, train):
    kind = operator.removeprefix("aten::")
    steps, h, c, layers, bidirectional, bias = data.draw(networks(kind))
    packed = len({len(x) for x in steps}) > 1
    arguments = {"params": flat(layers), "has_biases": bias, "bidirectional": bidirectional, "train": train}
    arguments |= {"dropout": dropout, "num_layers": len(layers) // (2 if bidirectional else 1)}
    if packed:
        arguments |= {"data": np.concatenate(steps), "batch_sizes": TensorSpec((len(steps),), "int64")}
    else:
        arguments |= {"input": by_time(steps), "batch_first": False}
    join = np.concatenate if packed else np.stack
    run = lambda: join(network(kind, steps, h, c, layers, bidirectional, dropout if train else 0))
    mine = check(operator, arguments, run)
    if not (dropout and train):
        close(mine, pytorch(kind, arguments, steps, h, c, packed))


def pytorch(kind, arguments, steps, h, c, packed):
    hx = [numeric(h), numeric(c)] if kind == "lstm" else numeric(h)
    tail = [arguments[n] for n in ("has_biases", "num_layers", "dropout", "train", "bidirectional")]
    params = [numeric(w) for w in arguments["params"]]
    if packed:
        batch_sizes = torch.tensor([len(x) for x in steps])
        return getattr(torch, kind)(numeric(arguments["data"]), batch_sizes, hx, params, *tail)[0]
    return getattr(torch, kind)(numeric(arguments["input"]), hx, params, *tail, False)[0]


@proves("aten::_lstm_mps")
@given(net=networks("lstm", packed=False))
def test_mps(operator, net):
    steps, h, c, layers, bidirectional, bias = net
    arguments = {"input": by_time(steps), "params": flat(layers), "has_biases": bias, "bidirectional": bidirectional}
    arguments |= {"num_layers": len(layers) // (2 if bidirectional else 1), "dropout": 0.0, "train": True}
    check(operator, arguments, lambda: np.stack(network("lstm", steps, h, c, layers, bidirectional, 0)))


@proves("aten::_cudnn_rnn", "aten::miopen_rnn")
@given(data=st.data(), kind=st.sampled_from(sorted(MODES)), dropout=st.sampled_from([0.0, 0.5]))
def test_fused_network(operator, data, kind, dropout):
    steps, h, c, layers, bidirectional, _ = data.draw(networks(kind, projection=operator == "aten::_cudnn_rnn"))
    each_layer = len(flat(layers[:1]))
    packed = len({len(x) for x in steps}) > 1
    source = np.concatenate(steps) if packed else by_time(steps)
    arguments = {"input": source, "weight": flat(layers), "weight_stride0": each_layer, "mode": MODES[kind]}
    arguments |= {"dropout": dropout, "train": True, "bidirectional": bidirectional}
    join = np.concatenate if packed else np.stack
    check(operator, arguments, lambda: join(network(kind, steps, h, c, layers, bidirectional, dropout)))


@proves("aten::mkldnn_rnn_layer")
@given(data=st.data(), kind=st.sampled_from(sorted(MODES)), reverse=st.booleans())
def test_one_layer(operator, data, kind, reverse):
    steps, h, c, layers, _, bias = data.draw(networks(kind, packed=False, projection=False))
    arguments = {"input": by_time(steps), "weight0": layers[0][0], "weight1": layers[0][1], "mode": MODES[kind]}
    run = lambda: np.stack(direction(kind, steps, h[0], None if c is None else c[0], layers[0], reverse))
    check(operator, {**arguments, "has_biases": bias, "reverse": reverse}, run)


@proves("aten::lstm_cell", "aten::gru_cell", "aten::rnn_tanh_cell", "aten::rnn_relu_cell")
@given(R=st.integers(0, 3), inputs=sizes, hidden=sizes, bias=st.booleans())
def test_cell(operator, R, inputs, hidden, bias):
    kind = operator.removeprefix("aten::").removesuffix("_cell")
    w_ih, w_hh, b_ih, b_hh, _ = weights_of(kind, inputs, hidden, hidden, bias, False, 1)
    x, h, c = array((R, inputs)), array((R, hidden), 7), array((R, hidden), 8)
    arguments = {"input": x, "w_ih": w_ih, "w_hh": w_hh, "b_ih": b_ih, "b_hh": b_hh}
    check(operator, arguments, lambda: finish(kind, affine(x, w_ih, b_ih), affine(h, w_hh, b_hh), h, c)[0])


@proves("aten::_thnn_fused_lstm_cell", "aten::_thnn_fused_gru_cell")
@given(R=st.integers(0, 3), hidden=sizes, bias=st.booleans())
def test_fused_cell(operator, R, hidden, bias):
    kind = operator.removeprefix("aten::_thnn_fused_").removesuffix("_cell")
    width = GATES[kind] * hidden
    of_input, of_state, h, c = array((R, width)), array((R, width), 1), array((R, hidden), 2), array((R, hidden), 3)
    b_ih, b_hh = (array((width,), 4), array((width,), 5)) if bias else (None, None)

    def reference():
        if not bias:
            return finish(kind, of_input, of_state, h, c)[0]
        return finish(kind, each(biased, of_input, b_ih), each(biased, of_state, b_hh), h, c)[0]

    given_biases = {"input_bias": b_ih, "hidden_bias": b_hh}
    check(operator, {"input_gates": of_input, "hidden_gates": of_state, **given_biases}, reference)
