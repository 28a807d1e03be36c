import numpy as np
from contraction_proof import array, biased, check, each, filled, products, proves
from formulas.test_contraction import matmul
from hypothesis import given
from hypothesis import strategies as st
from oracle import maximum, minimum

from flopsight.cost import TensorSpec

sizes = st.integers(1, 3)


def scaled(result, *scales):
    for scale in scales:
        result = each(lambda x, s: x * s, result, scale)
    return result


@proves("aten::_scaled_mm", "aten::_scaled_mm_v2")
@given(m=sizes, k=sizes, n=sizes, by_row=st.booleans(), with_bias=st.booleans(), with_result=st.booleans())
def test_scaled_mm(operator, m, k, n, by_row, with_bias, with_result):
    a, b, bias = array((m, k)), array((k, n), 1), array((n,), 2) if with_bias else None
    scale_a, scale_b = (array((m, 1), 3), array((1, n), 4)) if by_row else (array((), 3), array((), 4))
    with_result = with_result and operator == "aten::_scaled_mm"

    def reference():
        result = scaled(matmul(a, b), scale_a, scale_b)
        result = each(biased, result, bias) if with_bias else result
        return scaled(result, array((), 5)) if with_result else result

    more = {"scale_result": TensorSpec(()) if with_result else None} if operator == "aten::_scaled_mm" else {}
    check(operator, {"self": a, "mat2": b, "bias": bias, **more}, reference)


@proves("aten::_scaled_grouped_mm", "aten::_scaled_grouped_mm_v2")
@given(first=sizes, second=sizes, k=sizes, n=sizes)
def test_scaled_grouped_mm(operator, first, second, k, n):
    a, b = array((first + second, k)), array((2, k, n), 1)

    def reference():
        result = np.concatenate([matmul(a[:first], b[0]), matmul(a[first:], b[1])])
        return scaled(result, array((first + second, 1), 3), array((1, n), 4))

    check(operator, {"self": a, "mat2": b}, reference)


@proves("aten::_weight_int8pack_mm")
@given(m=sizes, k=sizes, n=sizes)
def test_int8_weight(operator, m, k, n):
    a, weight, scales = array((m, k)), array((n, k), 1), array((n,), 2)
    check(operator, {"self": a, "mat2": weight, "scales": scales}, lambda: scaled(matmul(a, weight.T), scales))


@proves(
    "aten::_weight_int4pack_mm",
    "aten::_weight_int4pack_mm_for_cpu",
    "aten::_weight_int4pack_mm_with_scales_and_zeros",
    "quantized::int4mm_packed_weight_cpu",
)
@given(m=sizes, k=sizes, n=sizes)
def test_int4_weight(operator, m, k, n):
    a, q = array((m, k)), array((k, n), 1)
    packed = TensorSpec((9, 9), "int32")
    run = lambda: matmul(a, each(lambda x: x * 0.5 + 1.0, q))
    check(operator, {"self": a, "mat2": packed}, run)


def row_quantized(row):
    """A row by its own range: the integers, and the scale."""
    most = least = row[0]
    for x in row[1:]:
        most, least = maximum(most, x), minimum(least, x)
    most, least = maximum(most, 0), minimum(least, 0)
    scale = maximum((most - least) / 15, 1e-9)
    zero = minimum(maximum(0 - minimum(least / scale, 99), 0), 15)
    return [minimum(maximum(maximum(x / scale, -99) + zero, 0), 15) for x in row], scale


@proves("aten::_dyn_quant_matmul_4bit")
@given(m=sizes, k=sizes, n=sizes)
def test_dynamic_int4(operator, m, k, n):
    a, q, scales = array((m, k)), array((k, n), 1), array((1, n), 2)

    def reference():
        rows = [row_quantized(list(row)) for row in a]
        weight = scaled(q, scales)
        return filled((m, n), lambda i, j: products(rows[i][0], weight[:, j]) * rows[i][1])

    check(operator, {"inp": a, "in_features": k, "out_features": n}, reference)


@proves("aten::_mixed_dtypes_linear")
@given(m=sizes, k=sizes, n=sizes, with_bias=st.booleans(), activation=st.sampled_from([None, "none", "relu"]))
def test_mixed(operator, m, k, n, with_bias, activation):
    a, weight, scales, bias = array((m, k)), array((k, n), 1), array((n,), 2), array((n,), 3) if with_bias else None

    def reference():
        result = scaled(matmul(a, weight), scales)
        result = each(biased, result, bias) if with_bias else result
        return each(lambda x: maximum(x, 0), result) if activation == "relu" else result

    check(operator, {"input": a, "bias": bias, "activation": activation}, reference)
