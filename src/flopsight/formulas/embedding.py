"""Looking up rows, and adding to or joining with what is at given positions.   B rows looked up · D their width

What is added to a position, starting from what is there (a gradient starts from zeros), is one addition an element.
Positions are values, which a formula does not see: where they repeat, or name the padding, the count is the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from flopsight.cost import ZERO, Cost, TensorSpec, product
from flopsight.formulas.parts import added, multiplied, reduced, scaled
from flopsight.formulas.registry import Case, formula, zero

SUM, MEAN, MAX = 0, 1, 2

zero("looks rows up", "aten::embedding", family="embedding")


def joined(how: str, tensor: TensorSpec, count: int) -> Cost:
    """`count` elements joined with what is there, by the name that operators give the way."""
    if how in ("sum", "add", "mean"):
        return added(tensor, count)
    if how in ("prod", "multiply"):
        return multiplied(tensor, count)
    return Cost(compare=count)


@formula(
    "aten::embedding_dense_backward",
    case=Case({"grad_output": (2, 5, 4), "scale_grad_by_freq": False}, (9, 4), Cost(add=10 * 4)),
)
def embedding_backward(grad_output: TensorSpec, scale_grad_by_freq: bool) -> Cost:
    """dweight[index] += dy: B*D additions; by frequency, B counts are kept and B*D divisions come first."""
    n = grad_output.numel
    cost = Cost(add=n)
    if scale_grad_by_freq:
        cost += Cost(divide=n, add=product(grad_output.shape[:-1]))
    return cost


_BAGS = {"weight": (9, 4), "indices": (6,), "mode": SUM}


@formula(
    "aten::_embedding_bag", "aten::_embedding_bag_forward_only", "aten::embedding_bag",
    case=Case(_BAGS, ((3, 4), (6,), (3,), (3,)), Cost(add=(6 - 3) * 4)),
)  # fmt: skip
def embedding_bag(
    weight: TensorSpec,
    indices: TensorSpec,
    out: tuple[TensorSpec, ...],
    mode: int = SUM,
    per_sample_weights: TensorSpec | None = None,
) -> Cost:
    """y = w1*x1 + w2*x2 + ... over the rows of a bag: (B - bags)*D additions, B*D products where rows have weights.

    Mean: and bags*D divisions. Max: (B - bags)*D comparisons instead. Every bag is taken to hold a row.
    """
    looked_up, results = indices.numel * weight.shape[-1], out[0].numel
    joins = reduced(looked_up, results)
    if mode == MAX:
        return Cost(compare=joins)
    products = looked_up if per_sample_weights is not None else 0
    return Cost(add=joins, multiply=products, divide=results if mode == MEAN else 0)


_GRADIENT = {"grad": (3, 4), "indices": (6,), "scale_grad_by_freq": False, "mode": MEAN}


@formula(
    "aten::_embedding_bag_dense_backward", "aten::_embedding_bag_backward",
    case=Case({**_GRADIENT, "per_sample_weights": None}, (9, 4), Cost(add=6 * 4, divide=3 * 4)),
)  # fmt: skip
def embedding_bag_backward(
    grad: TensorSpec, indices: TensorSpec, scale_grad_by_freq: bool, mode: int, per_sample_weights: TensorSpec | None
) -> Cost:
    """dweight[index] += w * dy: B*D additions, B*D products where rows have weights.

    Mean: dy / (rows in the bag) first, a division for each element of dy. Max: an addition for each element of dy
    instead. By frequency, B counts are kept and B*D divisions come first.
    """
    if mode == MAX:
        return Cost(add=grad.numel)
    B = indices.numel
    n = B * grad.shape[-1]
    cost = Cost(add=n, multiply=n if per_sample_weights is not None else 0)
    if mode == MEAN:
        cost += Cost(divide=grad.numel)
    return cost + Cost(divide=n, add=B) if scale_grad_by_freq else cost


@formula(
    "aten::_embedding_bag_per_sample_weights_backward",
    case=Case({"grad": (3, 4), "indices": (6,)}, (6,), Cost(multiply=6 * 4, add=6 * (4 - 1))),
)
def per_sample_weights_backward(grad: TensorSpec, indices: TensorSpec) -> Cost:
    """dw = sum(dy * x) for each row looked up: B*D products, B*(D - 1) additions."""
    n = indices.numel * grad.shape[-1]
    return Cost(multiply=n, add=reduced(n, indices.numel))


@formula("aten::index_add", case=Case({"self": (9, 4), "source": (6, 4)}, (9, 4), Cost(add=24)))
def index_add(self: TensorSpec, source: TensorSpec, alpha: complex = 1) -> Cost:
    """y[index] += alpha * x: an addition for each element of x, a product unless alpha is 1."""
    return added(self, source.numel) + scaled(self, alpha, source.numel)


@formula("aten::scatter_add", case=Case({"self": (9, 4), "index": (6, 4)}, (9, 4), Cost(add=24)))
def scatter_add(self: TensorSpec, index: TensorSpec) -> Cost:
    """y[index] += x: an addition for each position in index."""
    return added(self, index.numel)


@formula(
    "aten::scatter_reduce",
    case=Case({"self": (9, 4), "index": (6, 4), "reduce": "mean"}, (9, 4), Cost(add=2 * 24, divide=36)),
)
def scatter_reduce(self: TensorSpec, index: TensorSpec, reduce: str) -> Cost:
    """y[index] = join(y[index], x): an addition, product or comparison for each position in index.

    Mean: the rows that came together are counted, an addition each, and every element of y is divided.
    """
    return _reduced(self, index.numel, reduce)


@formula(
    "aten::index_reduce",
    case=Case({"self": (9, 4), "source": (6, 4), "reduce": "amax"}, (9, 4), Cost(compare=24)),
)
def index_reduce(self: TensorSpec, source: TensorSpec, reduce: str) -> Cost:
    """y[index] = join(y[index], x): a product or comparison for each element of x; mean as in scatter_reduce."""
    return _reduced(self, source.numel, reduce)


def _reduced(self: TensorSpec, count: int, reduce: str) -> Cost:
    mean = Cost(add=count, divide=self.numel) if reduce == "mean" else ZERO
    return joined(reduce, self, count) + mean


@formula("aten::scatter", case=Case({"self": (9, 4), "index": (6, 4), "reduce": "multiply"}, (9, 4), Cost(multiply=24)))
def scatter(self: TensorSpec, index: TensorSpec, reduce: str | None = None) -> Cost:
    """y[index] = x: nothing to compute; with `reduce`, an addition or product for each position in index."""
    return ZERO if reduce is None else joined(reduce, self, index.numel)


Indices = Sequence[TensorSpec | None]


def _selected(self: TensorSpec, indices: Indices, values: TensorSpec) -> int:
    """How many elements indices select: their broadcast positions times the dimensions that they leave whole.

    A mask selects as many as there are values.
    """
    given = [index for index in indices if index is not None]
    if any(index.dtype in ("bool", "uint8") for index in given):
        return values.numel
    whole = [size for size, index in zip(self.shape, indices, strict=False) if index is None]
    return _broadcast(given) * product(whole) * product(self.shape[len(indices) :])


def _broadcast(tensors: Sequence[TensorSpec]) -> int:
    """Elements of the common shape of tensors that broadcast."""
    deepest = max(tensor.ndim for tensor in tensors) if tensors else 0
    padded = [(1,) * (deepest - tensor.ndim) + tensor.shape for tensor in tensors]
    return product(next((size for size in sizes if size != 1), 1) for sizes in zip(*padded, strict=True))


@formula(
    "aten::index_put", "aten::_index_put_impl", "aten::_unsafe_index_put",
    case=Case({"self": (9, 4), "indices": ((6,),), "values": (6, 4), "accumulate": True}, (9, 4), Cost(add=24)),
)  # fmt: skip
def index_put(self: TensorSpec, indices: Indices, values: TensorSpec, accumulate: bool = False) -> Cost:
    """y[indices] = x: nothing to compute; y[indices] += x: an addition for each element selected."""
    return added(self, _selected(self, indices, values)) if accumulate else ZERO


@formula("aten::put", case=Case({"self": (9, 4), "index": (6,), "accumulate": True}, (9, 4), Cost(add=6)))
def put(self: TensorSpec, index: TensorSpec, accumulate: bool = False) -> Cost:
    """y[index] = x: nothing to compute; y[index] += x: an addition for each position in index."""
    return added(self, index.numel) if accumulate else ZERO


@formula("aten::_unsafe_masked_index", case=Case({}, (6, 4), Cost(compare=24)))
def masked_index(out: TensorSpec) -> Cost:
    """y = x[indices] where the mask holds, else a value: one selection an element."""
    return Cost(compare=out.numel)


@formula(
    "aten::_unsafe_masked_index_put_accumulate",
    case=Case({"self": (9, 4), "values": (6, 4)}, (9, 4), Cost(compare=24, add=24)),
)
def masked_index_put(self: TensorSpec, values: TensorSpec) -> Cost:
    """y[indices] += x where the mask holds, else 0: one selection and one addition an element of x."""
    return Cost(compare=values.numel) + added(self, values.numel)
