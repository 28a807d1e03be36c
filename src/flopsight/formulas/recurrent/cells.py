"""Single steps of recurrent networks, with their products or after them; letters as in `recurrent`."""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec, product
from flopsight.formulas.parts import reduced
from flopsight.formulas.recurrent.layers import GRU, LSTM, PLAIN_RELU, PLAIN_TANH, Cell, Layer, network
from flopsight.formulas.registry import Case, formula


def _case(cell: Cell) -> Case:
    """A batch of 4, 5 wide, into 3 hidden units."""
    outputs = 4 * cell.gates * 3
    given = {"input": (4, 5), "w_ih": (cell.gates * 3, 5), "w_hh": (cell.gates * 3, 3), "b_ih": (cell.gates * 3,)}
    cost = Cost(macs=outputs * (5 + 3), results=2 * outputs, biases=2 * outputs) + cell.unit * (4 * 3)
    return Case(given, (4, 3), cost)


def _step(operator: str, cell: Cell, equation: str) -> None:
    """Declare one step of `cell`, its products included."""

    def step(input: TensorSpec, w_ih: TensorSpec, w_hh: TensorSpec, b_ih: TensorSpec | None) -> Cost:
        layer = Layer(w_ih.shape[1], w_hh.shape[1], w_hh.shape[1], bias=b_ih is not None)
        return layer.forward(cell, product(input.shape[:-1]))

    step.__doc__ = equation
    formula(operator, case=_case(cell))(step)


_step("aten::lstm_cell", LSTM, "R*4*H dot products of length I and of length H, and R*H units of work.")
_step("aten::gru_cell", GRU, "R*3*H dot products of length I and of length H, and R*H units of work.")
_step("aten::rnn_tanh_cell", PLAIN_TANH, "R*H dot products of length I and of length H, and R*H sums and tanh.")
_step("aten::rnn_relu_cell", PLAIN_RELU, "R*H dot products of length I and of length H, and R*H sums and relu.")


def _packed_step(operator: str, cell: Cell, equation: str) -> None:
    """Declare one step of `cell` with packed integer weights; quantizing the input and state is left out."""

    def step(input: TensorSpec, w_ih: TensorSpec, w_hh: TensorSpec) -> Cost:
        return Layer(w_ih.shape[1], w_hh.shape[1], w_hh.shape[1], bias=True).forward(cell, product(input.shape[:-1]))

    step.__doc__ = equation
    formula(operator, case=_case(cell))(step)


_packed_step(
    "quantized::quantized_lstm_cell_dynamic", LSTM, "R*4*H dot products of length I and of length H, and R*H units."
)
_packed_step(
    "quantized::quantized_gru_cell_dynamic", GRU, "R*3*H dot products of length I and of length H, and R*H units."
)
_packed_step(
    "quantized::quantized_rnn_tanh_cell_dynamic", PLAIN_TANH, "R*H dot products of length I and of length H, R*H tanh."
)
_packed_step(
    "quantized::quantized_rnn_relu_cell_dynamic", PLAIN_RELU, "R*H dot products of length I and of length H, R*H relu."
)


def _packed_network(operator: str, cell: Cell, equation: str) -> None:
    """Declare a network whose weights are packed: their sizes follow from those of the states."""

    def packed_network(
        hx: TensorSpec | Sequence[TensorSpec],
        has_biases: bool,
        num_layers: int,
        bidirectional: bool,
        input: TensorSpec | None = None,
        data: TensorSpec | None = None,
    ) -> Cost:
        source = data if input is None else input
        if source is None:
            return ZERO
        state = hx if isinstance(hx, TensorSpec) else hx[0]
        hidden, directions = state.shape[-1], 2 if bidirectional else 1
        widths = [source.shape[-1]] + [hidden * directions] * (num_layers - 1)
        layers = [Layer(width, hidden, hidden, bias=has_biases) for width in widths for _ in range(directions)]
        return network(cell, source, layers, bidirectional=bidirectional)

    packed_network.__doc__ = equation
    given = {"hx": (1, 4, 3), "has_biases": True, "num_layers": 1, "bidirectional": False, "input": (2, 4, 5)}
    outputs = 8 * cell.gates * 3
    cost = Cost(macs=outputs * (5 + 3), results=2 * outputs, biases=2 * outputs) + cell.unit * 24
    formula(operator, case=Case(given, (2, 4, 3), cost))(packed_network)


_packed_network(
    "aten::quantized_lstm", LSTM, "As lstm; quantizing the inputs of each product, and scaling back, is left out."
)
_packed_network(
    "aten::quantized_gru", GRU, "As gru; quantizing the inputs of each product, and scaling back, is left out."
)


def _fused(cell: Cell, gates: TensorSpec, input_bias: TensorSpec | None) -> Cost:
    units = gates.numel // cell.gates
    return cell.unit * units + (Cost(biases=2 * gates.numel) if input_bias is not None else ZERO)


@formula(
    "aten::_thnn_fused_lstm_cell",
    case=Case({"input_gates": (4, 12), "input_bias": None}, ((4, 3), (4, 3), (4, 12)), LSTM.unit * 12),
)
def fused_lstm_cell(input_gates: TensorSpec, input_bias: TensorSpec | None = None) -> Cost:
    """R*H units of an LSTM from the products of its gates, each with two biases if there are any."""
    return _fused(LSTM, input_gates, input_bias)


@formula(
    "aten::_thnn_fused_gru_cell",
    case=Case({"input_gates": (4, 9), "input_bias": (9,)}, ((4, 3), (4, 15)), GRU.unit * 12 + Cost(biases=2 * 36)),
)
def fused_gru_cell(input_gates: TensorSpec, input_bias: TensorSpec | None = None) -> Cost:
    """R*H units of a GRU from the products of its gates, each with two biases if there are any."""
    return _fused(GRU, input_gates, input_bias)


def _lstm_gradient(grad_hy: TensorSpec | None, grad_cy: TensorSpec | None, units: int) -> Cost:
    """A missing gradient is 0, and what only serves it falls away."""
    if grad_hy is None:
        return Cost(multiply=10 * units, add=3 * units)
    return LSTM.backward * units if grad_cy is not None else Cost(multiply=16, add=5, special=1) * units


def _bias_sums(cell: Cell, units: int, hidden: int) -> Cost:
    """Sums over the rows, one for each gate whose bias has a gradient of its own."""
    return Cost(add=cell.bias_gates * reduced(units, hidden))


@formula(
    "aten::_thnn_fused_lstm_cell_backward_impl",
    case=Case({"grad_hy": (4, 3), "grad_cy": (4, 3), "cx": (4, 3)}, ((4, 12), (4, 3), None), LSTM.backward * 12),
)
def fused_lstm_cell_backward_impl(grad_hy: TensorSpec | None, grad_cy: TensorSpec | None, cx: TensorSpec) -> Cost:
    """The gradients of gates and cell, R*H units; without the biases."""
    return _lstm_gradient(grad_hy, grad_cy, cx.numel)


@formula(
    "aten::_thnn_fused_lstm_cell_backward",
    case=Case(
        {"grad_hy": (4, 3), "grad_cy": (4, 3), "cx": (4, 3), "has_bias": True},
        ((4, 12), (4, 12), (4, 3), (12,), (12,)),
        Cost(multiply=16, add=6, special=1) * 12 + Cost(add=4 * (12 - 3)),
    ),
)
def fused_lstm_cell_backward(
    grad_hy: TensorSpec | None, grad_cy: TensorSpec | None, cx: TensorSpec, has_bias: bool
) -> Cost:
    """The gradients of gates and cell, R*H units; the biases share one, 4*H sums of R."""
    own = _lstm_gradient(grad_hy, grad_cy, cx.numel)
    return own + _bias_sums(LSTM, cx.numel, cx.shape[-1]) if has_bias else own


@formula(
    "aten::_thnn_fused_gru_cell_backward",
    case=Case(
        {"grad_hy": (4, 3), "has_bias": True},
        ((4, 9), (4, 9), (4, 3), (9,), (9,)),
        Cost(multiply=10, add=4) * 12 + Cost(add=4 * (12 - 3)),
    ),
)
def fused_gru_cell_backward(grad_hy: TensorSpec, has_bias: bool) -> Cost:
    """The gradients of gates and state, R*H units; the biases: 4*H sums of R, as r and z share theirs."""
    own = GRU.backward * grad_hy.numel
    return own + _bias_sums(GRU, grad_hy.numel, grad_hy.shape[-1]) if has_bias else own
