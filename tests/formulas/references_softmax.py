"""References of softmax and sums of exponentials, row by row."""

from __future__ import annotations

import math
import operator

import numpy as np
import torch
from formulas.elementwise import proof_of, sample, seeds
from formulas.references_complex import c_exp, c_log
from hypothesis import strategies as st
from oracle import Complex, Scalar, decide, exp, log, maximum, minimum, special, total


def rows(function, dim, *arrays):
    """A function of rows (lists of numbers) to a row, along a dimension; of no element, nothing."""
    arrays = [array.reshape(1) if array.ndim == 0 else array for array in arrays]
    out = np.empty(arrays[0].shape, dtype=object)
    if out.size:
        moved, targets = [np.moveaxis(array, dim, -1) for array in arrays], np.moveaxis(out, dim, -1)
        for index in np.ndindex(*targets.shape[:-1]):
            for place, number in enumerate(function(*(list(array[index]) for array in moved))):
                targets[(*index, place)] = number
    return out


def largest(row):
    result = row[0]
    for other in row[1:]:
        result = maximum(result, other)
    return result


def softmax_row(row):
    most = largest(row)
    powers = [exp(x - most) for x in row]
    whole = total(powers)
    return [p / whole for p in powers]


def log_softmax_row(row):
    most = largest(row)
    shifted = [x - most for x in row]
    whole = log(total([exp(x) for x in shifted]))
    return [x - whole for x in shifted]


def softmax_gradient_row(g, y):
    whole = total([a * b for a, b in zip(g, y, strict=True)])
    return [b * (a - whole) for a, b in zip(g, y, strict=True)]


def log_softmax_gradient_row(g, y):
    whole = total(g)
    return [a - exp(b) * whole for a, b in zip(g, y, strict=True)]


def safe_softmax_row(row):
    lost = [x == -math.inf for x in row]
    whole = lost[0]
    for other in lost[1:]:
        whole = decide(operator.and_, whole, other)
    return [decide(lambda out, p: 0.0 if out else p, whole, p) for p in softmax_row(row)]


def masked(mask, row, value):
    return [decide(lambda hidden, x: value if hidden else x, m, x) for m, x in zip(mask, row, strict=True)]


def softmax(self, dim):
    return rows(softmax_row, dim, self)


def log_softmax(self, dim):
    return rows(log_softmax_row, dim, self)


def softmax_gradient(grad_output, output, dim):
    return rows(softmax_gradient_row, dim, grad_output, output)


def log_softmax_gradient(grad_output, output, dim):
    return rows(log_softmax_gradient_row, dim, grad_output, output)


def safe_softmax(self, dim):
    return rows(safe_softmax_row, dim, self)


def masked_softmax(self, mask, dim):
    return rows(lambda row, hidden: softmax_row(masked(hidden, row, -1e300)), -1 if dim is None else dim, self, mask)


def masked_softmax_gradient(grad_output, output, mask, dim):
    def row(g, y, hidden):
        return masked(hidden, softmax_gradient_row(g, y), 0.0)

    return rows(row, -1 if dim is None else dim, grad_output, output, mask)


def sparse_softmax(self):
    """A row may hold any number of elements: each takes the steps that join it to others."""
    for x in self.flat:
        power = exp(x - maximum(x, x))
        power / (power + power)
    return self


def sparse_log_softmax(self):
    for x in self.flat:
        shifted = x - maximum(x, x)
        shifted - log(exp(shifted) + shifted)
    return self


def sparse_softmax_gradient(grad_output, output):
    for g, y in zip(grad_output.flat, output.flat, strict=True):
        y * (g - (g * y + g))
    return output


def sparse_log_softmax_gradient(grad_output, output):
    for g, y in zip(grad_output.flat, output.flat, strict=True):
        g - exp(y) * (g + g)
    return output


def logsumexp(self, dim, keepdim):
    axes = tuple(range(self.ndim)) if not dim else tuple(d % self.ndim for d in dim)
    kept = [n for axis, n in enumerate(self.shape) if axis not in axes]
    moved = np.transpose(self, [a for a in range(self.ndim) if a not in axes] + list(axes))
    out = np.empty(tuple(kept), dtype=object)
    for index in np.ndindex(*kept):
        out[index] = log_of_sum(list(np.asarray(moved[index], dtype=object).flat))
    return np.expand_dims(out, axes) if keepdim else out


def log_of_sum(numbers):
    if numbers and isinstance(numbers[0], Complex):
        most = numbers[0].re
        for other in numbers[1:]:
            most = maximum(most, other.re)
        return c_log(total([c_exp(z - most) for z in numbers])) + most
    most = largest(numbers) if numbers else Scalar(-math.inf)
    return log(total([exp(x - most) for x in numbers])) + most


def running_row(row):
    found = [row[0]]
    for x in row[1:]:
        most = maximum(found[-1], x)
        found.append(most + special(math.log1p, exp(minimum(found[-1], x) - most)))
    return found


def logcumsumexp(self, dim):
    return rows(running_row, dim, self)


sizes = st.lists(st.integers(0, 3), min_size=1, max_size=3).map(tuple)


@st.composite
def along(draw, kinds, **options):
    """Tensors of one shape, and a dimension of it."""
    size = draw(sizes)
    given = {name: sample(kind, size, draw(seeds)) for name, kind in kinds.items()}
    return {**given, "dim": draw(st.integers(-len(size), len(size) - 1)), **options}


@st.composite
def masked_along(draw, kinds):
    size = draw(sizes)
    given = {name: sample(kind, size, draw(seeds)) for name, kind in kinds.items()}
    return {**given, "dim": draw(st.sampled_from([None, 0]))}


@st.composite
def several(draw):
    size = draw(sizes)
    dims = draw(st.lists(st.integers(0, len(size) - 1), unique=True, min_size=1, max_size=2))
    kind = draw(st.sampled_from(["signed", "complex"])) if math.prod(size) else "signed"
    given = sample(kind, size, draw(seeds))
    return {"self": given, "dim": dims, "keepdim": draw(st.booleans())}


SELF = {"self": "signed"}
SAVED = {"grad_output": "signed", "output": "unit"}
MASKED = {**SELF, "mask": "bool"}
MASKED_SAVED = {**SAVED, "mask": "bool"}
PROOFS = [
    proof_of("aten::_softmax", softmax, along(SELF, half_to_float=False)),
    proof_of("aten::softmax", softmax, along(SELF)),
    proof_of("aten::_log_softmax", log_softmax, along(SELF, half_to_float=False)),
    proof_of("aten::log_softmax", log_softmax, along(SELF)),
    proof_of("aten::_softmax_backward_data", softmax_gradient, along(SAVED, input_dtype=torch.float64)),
    proof_of("aten::_log_softmax_backward_data", log_softmax_gradient, along(SAVED, input_dtype=torch.float64)),
    proof_of("aten::_safe_softmax", safe_softmax, along(SELF)),
    proof_of("aten::_masked_softmax", masked_softmax, masked_along(MASKED), values=False),
    proof_of("aten::_masked_softmax_backward", masked_softmax_gradient, masked_along(MASKED_SAVED), values=False),
    proof_of("aten::_sparse_softmax", sparse_softmax, along(SELF), values=False),
    proof_of("aten::_sparse_log_softmax", sparse_log_softmax, along(SELF), values=False),
    proof_of("aten::_sparse_softmax_backward_data", sparse_softmax_gradient, along(SAVED), values=False),
    proof_of("aten::_sparse_log_softmax_backward_data", sparse_log_softmax_gradient, along(SAVED), values=False),
    proof_of("aten::logsumexp", logsumexp, several()),
    proof_of("aten::logcumsumexp", logcumsumexp, along(SELF)),
    proof_of("aten::_logcumsumexp", logcumsumexp, along(SELF)),
]
