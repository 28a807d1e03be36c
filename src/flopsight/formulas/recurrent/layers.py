"""Recurrent networks: LSTM, GRU, and plain ones with tanh or relu; whole, by layer and by cell.

R rows, the steps of all sequences together · I width of the input · H hidden units · P width of the state, H unless
projected · gates: 4 in LSTM, 3 in GRU, 1 in a plain cell, H units each

A row costs gates*H dot products with its input (length I) and with the last state (length P), and a sum of the two
with its biases; then the cell's own arithmetic on each unit. It is the same however a kernel fuses it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from flopsight.cost import ZERO, Cost, TensorSpec, contraction, product
from flopsight.formulas.parts import DROPOUT, RELU, SIGMOID, TANH
from flopsight.formulas.registry import Case, formula


@dataclass(frozen=True)
class Cell:
    """A kind of recurrent cell.

    gates: how many. unit: work on one hidden unit in a step, joining the two products of its gates included.
    backward: its gradient, work on one unit. bias_gates: gates whose bias gradients differ.
    """

    gates: int
    unit: Cost
    backward: Cost
    bias_gates: int


LSTM = Cell(
    gates=4,
    unit=Cost(add=4) + 3 * SIGMOID + TANH + Cost(multiply=2, add=1) + TANH + Cost(multiply=1),
    backward=Cost(multiply=16, add=6, special=1),
    bias_gates=4,
)
"""i, f, o = sigmoid, g = tanh of the gates; c' = f*c + i*g; h' = o * tanh(c').

Backward: t = tanh(c'); d_c = d_h*o*(1 - t*t) + d_c'; d_o = d_h*t*(1 - o)*o; d_i = d_c*g*(1 - i)*i;
d_f = d_c*c*(1 - f)*f; d_g = d_c*i*(1 - g*g); the last c's: d_c*f.
"""
GRU = Cell(
    gates=3,
    unit=Cost(add=2) + 2 * SIGMOID + Cost(multiply=1, add=1) + TANH + Cost(multiply=1, add=2),
    backward=Cost(multiply=10, add=4),
    bias_gates=4,
)
"""r, z = sigmoid of the gates; n = tanh(x_n + r*h_n); h' = (h - n)*z + n.

Backward: u = d_h*(1 - z); d_n = u*(1 - n*n); d_z = u*(h - n)*z; d_hn = d_n*r; d_r = d_n*h_n*(1 - r)*r; the last h's:
d_h*z.
"""
PLAIN_TANH = Cell(gates=1, unit=Cost(add=1) + TANH, backward=Cost(multiply=2, add=1), bias_gates=1)
"""h' = tanh(sum of the products); backward: d_h*(1 - h'*h')."""
PLAIN_RELU = Cell(gates=1, unit=Cost(add=1) + RELU, backward=Cost(compare=1), bias_gates=1)
"""h' = relu(sum of the products); backward: d_h where h' > 0."""

BY_MODE = (PLAIN_RELU, PLAIN_TANH, LSTM, GRU)
"""As the `mode` argument of the fused kernels numbers them."""


@dataclass(frozen=True)
class Layer:
    """One direction of one layer: I, H, P, and whether there are biases; projected when P is not the cell's own H."""

    inputs: int
    hidden: int
    state: int
    bias: bool
    projected: bool = False

    def forward(self, cell: Cell, rows: int) -> Cost:
        """The cost of `rows` rows."""
        units = rows * self.hidden
        outputs = cell.gates * units
        cost = contraction(outputs=outputs, length=self.inputs, bias=self.bias)
        cost += contraction(outputs=outputs, length=self.state, bias=self.bias) + cell.unit * units
        return cost + contraction(outputs=rows * self.state, length=self.hidden) if self.projected else cost


def layers_of(weights: Sequence[TensorSpec], each: int, gates: int) -> list[Layer]:
    """The layers, both directions, of a flat list of weights: input, state, two biases or none, projection or none."""
    layers = []
    for start in range(0, len(weights), each):
        w_ih, w_hh = weights[start], weights[start + 1]
        hidden = w_ih.shape[0] // gates
        layers.append(Layer(w_ih.shape[1], hidden, w_hh.shape[1], bias=each >= 4, projected=each in (3, 5)))
    return layers


def network(
    cell: Cell, source: TensorSpec, layers: Sequence[Layer], *, bidirectional: bool, dropout: float = 0.0
) -> Cost:
    """All layers; dropout works between them on everything a layer gives."""
    rows = product(source.shape[:-1])
    own = sum((layer.forward(cell, rows) for layer in layers), ZERO)
    below = layers[: -2 if bidirectional else -1]
    return own + DROPOUT * (rows * sum(layer.state for layer in below)) if dropout else own


def _case(cell: Cell, biases: int = 2, **given: object) -> Case:
    """Two steps of a batch of 4, 5 wide, into 3 hidden units."""
    outputs = 2 * 4 * cell.gates * 3
    cost = Cost(macs=outputs * (5 + 3), results=2 * outputs, biases=biases * outputs) + cell.unit * (2 * 4 * 3)
    return Case(given, (2, 4, 3), cost)


def _weights(gates: int) -> tuple[tuple[int, ...], ...]:
    return (gates * 3, 5), (gates * 3, 3), (gates * 3,), (gates * 3,)


def _sequence(cell: Cell) -> Case:
    params = _weights(cell.gates)
    return _case(cell, input=(2, 4, 5), params=params, num_layers=1, dropout=0.0, train=True, bidirectional=False)


def _whole(operators: Sequence[str], cell: Cell, equation: str) -> None:
    """Declare a composite network of `cell`, from a padded batch (`input`) or packed sequences (`data`)."""

    def network_of_cells(
        params: Sequence[TensorSpec],
        num_layers: int,
        dropout: float,
        train: bool,
        bidirectional: bool,
        input: TensorSpec | None = None,
        data: TensorSpec | None = None,
    ) -> Cost:
        each = len(params) // (num_layers * (2 if bidirectional else 1))
        source = data if input is None else input
        if source is None:
            return ZERO
        layers = layers_of(params, each, cell.gates)
        return network(cell, source, layers, bidirectional=bidirectional, dropout=dropout if train else 0.0)

    network_of_cells.__doc__ = equation
    formula(*operators, case=_sequence(cell))(network_of_cells)


_whole(
    ("aten::lstm", "aten::_lstm_mps"),
    LSTM,
    "R*4*H dot products of length I, R*4*H of length P (projected: R*P of length H) a layer and direction, R*H units.",
)
_whole(
    ("aten::gru",), GRU, "R*3*H dot products of length I and R*3*H of length H a layer and direction, and R*H units."
)
_whole(
    ("aten::rnn_tanh",), PLAIN_TANH, "R*H dot products of length I, R*H of length H a layer and direction, R*H tanh."
)
_whole(
    ("aten::rnn_relu",), PLAIN_RELU, "R*H dot products of length I, R*H of length H a layer and direction, R*H relu."
)


@formula(
    "aten::_cudnn_rnn",
    "aten::miopen_rnn",
    case=_case(
        LSTM,
        input=(2, 4, 5),
        weight=_weights(4),
        weight_stride0=4,
        mode=2,
        dropout=0.0,
        train=True,
        bidirectional=False,
    ),
)
def cudnn_rnn(
    input: TensorSpec,
    weight: Sequence[TensorSpec],
    weight_stride0: int,
    mode: int,
    dropout: float,
    train: bool,
    bidirectional: bool,
) -> Cost:
    """All layers of the kind that mode numbers (0 relu, 1 tanh, 2 LSTM, 3 GRU), as their own operators count them."""
    cell = BY_MODE[mode]
    layers = layers_of(weight, weight_stride0, cell.gates)
    return network(cell, input, layers, bidirectional=bidirectional, dropout=dropout if train else 0.0)


@formula(
    "aten::mkldnn_rnn_layer",
    case=_case(LSTM, input=(2, 4, 5), weight0=(12, 5), weight1=(12, 3), mode=2, has_biases=True),
)
def mkldnn_rnn_layer(input: TensorSpec, weight0: TensorSpec, weight1: TensorSpec, mode: int, has_biases: bool) -> Cost:
    """One direction of one layer, of the kind that mode numbers (0 relu, 1 tanh, 2 LSTM, 3 GRU)."""
    cell = BY_MODE[mode]
    layer = Layer(weight0.shape[1], weight0.shape[0] // cell.gates, weight1.shape[1], bias=has_biases)
    return layer.forward(cell, product(input.shape[:-1]))
