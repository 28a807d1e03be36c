"""Gradients of recurrent networks; letters as in `recurrent`.

Each product of forward has two: the gradient of what it took, R dot products of length gates*H for each of I + P
numbers, and that of its weight, a dot product of length R for each; twice the multiply-accumulates of forward. The
gradient of the state enters every step, with what came from above added. That of the first state is always computed.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec, contraction, product
from flopsight.formulas.parts import DROPOUT, reduced
from flopsight.formulas.recurrent.layers import BY_MODE, GRU, LSTM, Cell, Layer, layers_of
from flopsight.formulas.registry import Case, formula


def layer_backward(
    cell: Cell, layer: Layer, rows: int, *, from_above: bool = True, of_input: bool = True, of_weights: bool = True
) -> Cost:
    """One direction of one layer; `from_above`: the steps' results have a gradient, added to that of the state."""
    inputs, hidden, state = layer.inputs, layer.hidden, layer.state
    gates = cell.gates * hidden
    cost = cell.backward * (rows * hidden) + contraction(outputs=rows * state, length=gates)
    if from_above:
        cost += Cost(add=rows * state)
    if cell is GRU:
        cost += Cost(add=rows * hidden)  # the state also enters the result directly
    if layer.projected:
        cost += contraction(outputs=rows * hidden, length=state)
    if of_input:
        cost += contraction(outputs=rows * inputs, length=gates)
    return cost + _weight_gradients(cell, layer, rows) if of_weights else cost


def _weight_gradients(cell: Cell, layer: Layer, rows: int) -> Cost:
    gates = cell.gates * layer.hidden
    projection = layer.state * layer.hidden if layer.projected else 0
    cost = contraction(outputs=gates * (layer.inputs + layer.state) + projection, length=rows)
    sums = cell.bias_gates * reduced(rows * layer.hidden, layer.hidden) if layer.bias else 0
    return cost + Cost(add=sums)


def network_backward(
    cell: Cell,
    rows: int,
    layers: Sequence[Layer],
    *,
    directions: int,
    dropout: float,
    from_above: bool,
    of_input: bool,
    of_weights: bool,
) -> Cost:
    """All layers; the gradients that two directions give their common input are added, dropout works between layers."""
    cost = ZERO
    for index, layer in enumerate(layers):
        first, last = index < directions, index >= len(layers) - directions
        cost += layer_backward(
            cell,
            layer,
            rows,
            from_above=from_above or not last,
            of_input=of_input or not first,
            of_weights=of_weights,
        )
        if directions == 2 and index % 2 and (of_input or not first):
            cost += Cost(add=rows * layer.inputs)
        if dropout and not last:
            cost += DROPOUT * (rows * layer.state)
    return cost


_LAYER = {"input": (2, 4, 5), "grad_output": (2, 4, 3), "mode": 2}
_LAYER_COST = Cost(
    macs=2 * 8 * 12 * (5 + 3),
    results=8 * (3 + 5) + 12 * (5 + 3),
    multiply=16 * 24,
    add=6 * 24 + 24 + 4 * (24 - 3),
    special=24,
)


@formula(
    "aten::mkldnn_rnn_layer_backward",
    case=Case(
        {**_LAYER, "weight1": (12, 5), "weight2": (12, 3), "has_biases": True},
        ((2, 4, 5), (12, 5), (12, 3), (12,), (12,), (4, 3), (4, 3)),
        _LAYER_COST,
    ),
)
def mkldnn_rnn_layer_backward(
    input: TensorSpec,
    weight1: TensorSpec,
    weight2: TensorSpec,
    grad_output: TensorSpec | None,
    mode: int,
    has_biases: bool,
) -> Cost:
    """One direction of one layer: gradients of input, weights, biases and first state."""
    cell = BY_MODE[mode]
    layer = Layer(weight1.shape[1], weight1.shape[0] // cell.gates, weight2.shape[1], bias=has_biases)
    return layer_backward(cell, layer, product(input.shape[:-1]), from_above=grad_output is not None)


@formula(
    "aten::_cudnn_rnn_backward",
    "aten::miopen_rnn_backward",
    case=Case(
        {
            **_LAYER,
            "weight": ((12, 5), (12, 3), (12,), (12,)),
            "weight_stride0": 4,
            "dropout": 0.0,
            "train": True,
            "bidirectional": False,
            "output_mask": [True, True, True, True],
        },
        ((2, 4, 5), (1, 4, 3), (1, 4, 3), ((12, 5), (12, 3), (12,), (12,))),
        _LAYER_COST,
    ),
)
def cudnn_rnn_backward(
    input: TensorSpec,
    weight: Sequence[TensorSpec],
    weight_stride0: int,
    grad_output: TensorSpec | None,
    mode: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
    output_mask: Sequence[bool],
) -> Cost:
    """All layers: gradients of the states, and of the input and of weights and biases where output_mask wants them."""
    cell = BY_MODE[mode]
    return network_backward(
        cell,
        product(input.shape[:-1]),
        layers_of(weight, weight_stride0, cell.gates),
        directions=2 if bidirectional else 1,
        dropout=dropout if train else 0.0,
        from_above=grad_output is not None,
        of_input=output_mask[0],
        of_weights=output_mask[3],
    )


@formula(
    "aten::lstm_mps_backward",
    case=Case(
        {
            "input": (2, 4, 5),
            "grad_y": (2, 4, 3),
            "params": ((12, 5), (12, 3), (12,), (12,)),
            "num_layers": 1,
            "dropout": 0.0,
            "train": True,
            "bidirectional": False,
        },
        ((2, 4, 5), ((12, 5), (12, 3), (12,), (12,)), ((1, 4, 3), (1, 4, 3))),
        _LAYER_COST,
    ),
)
def lstm_mps_backward(
    grad_y: TensorSpec | None,
    input: TensorSpec,
    params: Sequence[TensorSpec],
    num_layers: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> Cost:
    """All layers of an LSTM: every gradient."""
    directions = 2 if bidirectional else 1
    return network_backward(
        LSTM,
        product(input.shape[:-1]),
        layers_of(params, len(params) // (num_layers * directions), LSTM.gates),
        directions=directions,
        dropout=dropout if train else 0.0,
        from_above=grad_y is not None,
        of_input=True,
        of_weights=True,
    )
