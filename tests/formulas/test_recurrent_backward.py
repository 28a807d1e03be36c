import numpy as np
import torch
from contraction_proof import array, check, close, each, filled, numeric, products, proves, total
from formulas.test_recurrent import MODES, affine, by_time, flat, networks, pytorch, sigmoid
from hypothesis import given
from hypothesis import strategies as st
from oracle import Scalar, select, tanh

sizes = st.integers(1, 3)


def plus(a, b):
    return each(lambda x, y: x + y, a, b)


def remember(kind, x, h, c, weights):
    """A step of forward, and what backward needs of it: (state, cell, kept)."""
    w_ih, w_hh, b_ih, b_hh, w_hr = weights
    a, b = affine(x, w_ih, b_ih), affine(h, w_hh, b_hh)
    if kind == "gru":
        (xr, xz, xn), (hr, hz, hn) = np.split(a, 3, 1), np.split(b, 3, 1)
        r, z = each(sigmoid, plus(xr, hr)), each(sigmoid, plus(xz, hz))
        n = each(lambda x, r, y: tanh(x + r * y), xn, r, hn)
        return each(lambda h, n, z: (h - n) * z + n, h, n, z), None, {"r": r, "z": z, "n": n, "hn": hn, "h": h, "x": x}
    gates = plus(a, b)
    if kind != "lstm":
        out = each(tanh if kind == "rnn_tanh" else lambda v: Scalar(max(v.value, 0)), gates)
        return out, None, {"out": out, "h": h, "x": x}
    i, f, g, o = np.split(gates, 4, 1)
    i, f, g, o = each(sigmoid, i), each(sigmoid, f), each(tanh, g), each(sigmoid, o)
    new = each(lambda f, c, i, g: f * c + i * g, f, c, i, g)
    full = each(lambda o, c: o * tanh(c), o, new)
    out = full if w_hr is None else affine(full, w_hr, None)
    return out, new, {"i": i, "f": f, "g": g, "o": o, "c": c, "new": new, "full": full, "h": h, "x": x}


def unit(kind, kept, dh, dc):
    """Gradients of the gates as the input's product sees them, as the state's does, of the cell, and past the gates."""
    parts = {name: np.empty(dh.shape, dtype=object) for name in ("r", "z", "n", "hn", "i", "f", "g", "o", "c", "past")}
    for at in np.ndindex(*dh.shape):
        k, d = {name: items[at] for name, items in kept.items() if items.shape == dh.shape}, dh[at]
        if kind == "gru":
            u = d * (1 - k["z"])
            n = u * (1 - k["n"] * k["n"])
            new = {"n": n, "z": u * (k["h"] - k["n"]) * k["z"], "hn": n * k["r"], "past": d * k["z"]}
            new["r"] = n * k["hn"] * (1 - k["r"]) * k["r"]
        elif kind == "lstm":
            t = tanh(k["new"])
            c = d * k["o"] * (1 - t * t)
            c = c if dc is None else c + dc[at]
            new = {"o": d * t * (1 - k["o"]) * k["o"], "i": c * k["g"] * (1 - k["i"]) * k["i"], "c": c * k["f"]}
            new |= {"f": c * k["c"] * (1 - k["f"]) * k["f"], "g": c * k["i"] * (1 - k["g"] * k["g"])}
        elif kind == "rnn_tanh":
            new = {"n": d * (1 - k["out"] * k["out"])}
        else:
            new = {"n": select(k["out"].value > 0, d, 0.0)}
        for name, item in new.items():
            parts[name][at] = item
    names = {"gru": "rzn", "lstm": "ifgo"}.get(kind, "n")
    of_input = np.concatenate([parts[name] for name in names], axis=1)
    of_state = np.concatenate([parts["r"], parts["z"], parts["hn"]], axis=1) if kind == "gru" else of_input
    return of_input, of_state, parts["c"], parts["past"] if kind == "gru" else None


def back(d, weight):
    """Through a product: a dot product with each column of its weight."""
    return filled((len(d), weight.shape[1]), lambda r, i: products(d[r], weight[:, i]))


def gathered(d, x):
    """The gradient of a weight: a dot product over all rows for each."""
    return filled((d.shape[1], x.shape[1]), lambda g, i: products(d[:, g], x[:, i]))


def direction_backward(kind, kept, weights, grads, dh, dc, of_input, of_weights):
    """kept: in the order in which forward went; grads: those of the steps in that order, or None."""
    w_ih, w_hh, b_ih, _, w_hr = weights
    rows = {name: [] for name in ("gates", "state", "x", "h", "full", "dh")}
    inputs = []
    for t in range(len(kept))[::-1]:
        dh = dh if grads is None else plus(grads[t], dh)
        rows["dh"].append(dh)
        gates, state, dc, past = unit(kind, kept[t], dh if w_hr is None else back(dh, w_hr), dc)
        dh = back(state, w_hh) if past is None else plus(back(state, w_hh), past)
        for name, item in (("gates", gates), ("state", state), ("x", kept[t]["x"]), ("h", kept[t]["h"])):
            rows[name].append(item)
        rows["full"].append(kept[t].get("full"))
        if of_input:
            inputs.append(back(gates, w_ih))
    given = []
    if of_weights:
        whole = {name: np.concatenate(items) for name, items in rows.items() if items[0] is not None}
        given += [gathered(whole["gates"], whole["x"]), gathered(whole["state"], whole["h"])]
        given += bias_gradients(kind, whole) if b_ih is not None else []
        given += [gathered(whole["dh"], whole["full"])] if w_hr is not None else []
    return inputs[::-1], dh, dc, given


def bias_gradients(kind, whole):
    """A sum over the rows for each gate; those of the two biases are the same, but for the new gate of a GRU."""
    gates, state = whole["gates"], whole["state"]
    first = filled(gates.shape[1:], lambda g: total(gates[:, g]))
    if kind != "gru":
        return [first, first]
    shared = gates.shape[1] // 3 * 2
    return [first, filled(gates.shape[1:], lambda g: first[g] if g < shared else total(state[:, g]))]


def walk(kind, steps, h, c, layers, bidirectional):
    """Forward, kept by layer and direction, each in the order in which it went; and the results."""
    directions, kept = 2 if bidirectional else 1, []
    for first in range(0, len(layers), directions):
        both = []
        for at in range(first, first + directions):
            order = range(len(steps))[:: -1 if at > first else 1]
            state, cell, saved, outputs = h[at], None if c is None else c[at], [], [None] * len(steps)
            for t in order:
                state, cell, what = remember(kind, steps[t], state, cell, layers[at])
                saved.append(what)
                outputs[t] = state
            kept.append(saved)
            both.append(outputs)
        steps = [np.concatenate(parts, axis=1) for parts in zip(*both, strict=True)]
    return kept, steps


def network_backward(kind, kept, layers, bidirectional, grads, dh, dc, dropout, of_input, of_weights):
    directions, weights = 2 if bidirectional else 1, []
    for first in range(0, len(layers), directions)[::-1]:
        sums, mine = None, []
        for at in range(first, first + directions):
            state = layers[at][4].shape[0] if layers[at][4] is not None else layers[at][1].shape[1]
            side = slice((at - first) * state, (at - first + 1) * state)
            own = None if grads is None else [g[:, side] for g in grads][:: -1 if at > first else 1]
            wanted = of_input or first > 0
            given = None if dc is None else dc[at]
            dx, _, _, dw = direction_backward(kind, kept[at], layers[at], own, dh[at], given, wanted, of_weights)
            dx = dx[:: -1 if at > first else 1]
            sums = dx if sums is None else [plus(a, b) for a, b in zip(sums, dx, strict=True)]
            mine += dw
        weights = mine + weights
        grads = sums
        if dropout and first:
            grads = [each(lambda g: g * 1.0 * 2.0, g) for g in grads]
    return grads, weights


def setting(data, kind, **options):
    """A network that has run, and gradients of everything it gave."""
    steps, h, c, layers, bidirectional, bias = data.draw(networks(kind, packed=False, **options))
    kept, outputs = walk(kind, steps, h, c, layers, bidirectional)
    grads = [array(x.shape, 60 + t) for t, x in enumerate(outputs)]
    dh, dc = array(h.shape, 58), None if c is None else array(c.shape, 59)
    return steps, h, c, layers, bidirectional, bias, kept, grads, dh, dc


@proves("aten::_cudnn_rnn_backward", "aten::miopen_rnn_backward")
@given(data=st.data(), kind=st.sampled_from(sorted(MODES)), dropout=st.sampled_from([0.0, 0.5]),
       above=st.booleans(), of_input=st.booleans(), of_weights=st.booleans())  # fmt: skip
def test_network(operator, data, kind, dropout, above, of_input, of_weights):
    projection = "cudnn" in operator
    steps, _, _, layers, bidirectional, _, kept, grads, dh, dc = setting(data, kind, projection=projection)
    arguments = {"input": by_time(steps), "weight": flat(layers), "weight_stride0": len(flat(layers[:1]))}
    arguments |= {"grad_output": by_time(grads) if above else None, "mode": MODES[kind], "dropout": dropout}
    arguments |= {"train": True, "bidirectional": bidirectional, "output_mask": [of_input, True, True, of_weights]}
    options = (grads if above else None, dh, dc, dropout, of_input, of_weights)

    def reference():
        network_backward(kind, kept, layers, bidirectional, *options)
        return by_time(steps)

    check(operator, arguments, reference)


@proves("aten::lstm_mps_backward")
@given(data=st.data(), above=st.booleans())
def test_mps(operator, data, above):
    steps, _, _, layers, bidirectional, _, kept, grads, dh, dc = setting(data, "lstm")
    arguments = {"input": by_time(steps), "params": flat(layers), "bidirectional": bidirectional, "dropout": 0.0}
    arguments |= {"num_layers": len(layers) // (2 if bidirectional else 1), "train": True}
    options = (grads if above else None, dh, dc, 0.0, True, True)

    def reference():
        network_backward("lstm", kept, layers, bidirectional, *options)
        return by_time(steps)

    check(operator, {**arguments, "grad_y": by_time(grads) if above else None}, reference)


@proves("aten::mkldnn_rnn_layer_backward")
@given(data=st.data(), kind=st.sampled_from(sorted(MODES)), above=st.booleans())
def test_one_layer(operator, data, kind, above):
    steps, h, c, layers, _, bias, *_ = setting(data, kind, projection=False)
    kept, outputs = walk(kind, steps, h[:1], None if c is None else c[:1], layers[:1], False)
    grads = [array(x.shape, 60) for x in outputs] if above else None
    arguments = {"input": by_time(steps), "weight1": layers[0][0], "weight2": layers[0][1], "mode": MODES[kind]}
    arguments |= {"grad_output": by_time(grads) if above else None, "has_biases": bias}

    def reference():
        last = array(h[0].shape, 58), None if c is None else array(c[0].shape, 59)
        direction_backward(kind, kept[0], layers[0], grads, *last, True, True)
        return by_time(steps)

    check(operator, arguments, reference)


@proves("aten::mkldnn_rnn_layer_backward")
@given(data=st.data(), kind=st.sampled_from(sorted(MODES)))
def test_the_reference_is_pytorchs_gradient(operator, data, kind):
    steps, h, c, layers, bidirectional, bias, kept, grads, dh, dc = setting(data, kind)
    zero = lambda x: None if x is None else each(lambda _: Scalar(0.0), x)
    d_input, d_weights = network_backward(kind, kept, layers, bidirectional, grads, zero(dh), zero(dc), 0.0, True, True)
    arguments = {"input": by_time(steps), "params": flat(layers), "has_biases": bias, "bidirectional": bidirectional}
    arguments |= {"num_layers": len(layers) // (2 if bidirectional else 1), "dropout": 0.0, "train": True}
    leaves = [numeric(x).requires_grad_() for x in (by_time(steps), *flat(layers))]
    source, *params = leaves
    hx = [numeric(h), numeric(c)] if kind == "lstm" else numeric(h)
    tail = [arguments[n] for n in ("has_biases", "num_layers", "dropout", "train", "bidirectional")]
    out = getattr(torch, kind)(source, hx, params, *tail, False)[0]
    for got, wanted in zip(
        [by_time(d_input), *d_weights], torch.autograd.grad(out, leaves, numeric(by_time(grads))), strict=True
    ):
        close(got, wanted)


@proves("aten::_thnn_fused_lstm_cell_backward", "aten::_thnn_fused_lstm_cell_backward_impl")
@given(R=st.integers(0, 3), hidden=sizes, bias=st.booleans(), which=st.sampled_from(["hc", "h", "c"]))
def test_fused_lstm_cell(operator, R, hidden, bias, which):
    names = ("i", "f", "g", "o", "c", "new")
    kept = {name: array((R, hidden), seed) for seed, name in enumerate(names)}
    dh, dc = (array((R, hidden), 8 + s) if name in which else None for s, name in enumerate("hc"))
    impl = operator.endswith("impl")

    def reference():
        gates = cell_only(kept, dc) if dh is None else unit("lstm", kept, dh, dc)[0]
        if bias and not impl:
            bias_gradients("lstm", {"gates": gates, "state": gates})
        return gates

    arguments = {"grad_hy": dh, "grad_cy": dc, "cx": kept["c"], "cy": kept["new"]}
    check(operator, arguments if impl else {**arguments, "has_bias": bias}, reference)


def cell_only(kept, dc):
    """Where the state has no gradient, the output gate has none either."""
    gates = []
    for at in np.ndindex(*dc.shape):
        i, f, g, c, d = *(kept[name][at] for name in "ifgc"), dc[at]
        gates.append((d * g * (1 - i) * i, d * c * (1 - f) * f, d * i * (1 - g * g), d * f))
    width = dc.shape[1]
    return filled((len(dc), 4 * width), lambda r, col: gates[r * width + col % width][col // width])


@proves("aten::_thnn_fused_gru_cell_backward")
@given(R=st.integers(0, 3), hidden=sizes, bias=st.booleans())
def test_fused_gru_cell(operator, R, hidden, bias):
    kept = {name: array((R, hidden), seed) for seed, name in enumerate(("r", "z", "n", "hn", "h"))}
    dh = array((R, hidden), 9)

    def reference():
        gates, state, _, _ = unit("gru", kept, dh, None)
        return bias_gradients("gru", {"gates": gates, "state": state}) if bias else gates

    check(operator, {"grad_hy": dh, "has_bias": bias}, reference)


def test_pytorch_agrees_on_the_forward_that_is_remembered():
    steps = [array((2, 3), t) for t in range(2)]
    weights = (*(array(shape, s) for s, shape in enumerate([(9, 3), (9, 3), (9,), (9,)])), None)
    h = array((1, 2, 3), 9)
    _, outputs = walk("gru", steps, h, None, [weights], False)
    arguments = {"input": by_time(steps), "params": flat([weights]), "has_biases": True, "bidirectional": False}
    close(
        by_time(outputs),
        pytorch("gru", {**arguments, "num_layers": 1, "dropout": 0.0, "train": True}, steps, h, None, False),
    )
