"""Operators that PyTorch's own fake tensors refuse though shapes or constants decide, and dtypes that do not fit."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from flopsight import errors, profile, spec


def shapes_of(call, made):
    """Shape and dtype of all that a call returns, or what it raises, on real tensors and in a run without computing."""
    found = []
    tensors = [torch.rand(shape).to(dtype) for shape, dtype in made]

    def run(*given):
        found.append([(tuple(t.shape), t.dtype) for t in call(*given)])

    run(*tensors)
    profile(run, [spec(shape, dtype=dtype) for shape, dtype in made])
    return found


@pytest.mark.parametrize("driver", ["gelsy", "gels", "gelsd", "gelss", None])
@pytest.mark.parametrize(
    ("left", "right"),
    [((5, 3), (5, 2)), ((3, 5), (3, 2)), ((4, 5, 3), (4, 5, 2)), ((4, 5, 3), (4, 5)), ((5, 3), (5,)), ((3, 3), (3, 1))],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.complex128])
def test_least_squares_have_the_shapes_of_a_real_call(left, right, driver, dtype):
    real, fake = shapes_of(lambda a, b: torch.linalg.lstsq(a, b, driver=driver), [(left, dtype), (right, dtype)])
    assert real == fake


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("given", ["list", "tensor", "shape"])
def test_ctc_loss_counts_as_if_run(given, backward):
    lengths = {
        "list": lambda: [[20, 20], [5, 5]],
        "tensor": lambda: [torch.tensor([20, 20]), torch.tensor([5, 5])],
        "shape": lambda: [spec(2, dtype="int64"), spec(2, dtype="int64")],
    }[given]()
    log_probs = torch.randn(20, 2, 7, requires_grad=True)
    targets = torch.ones(2, 5, dtype=torch.int64)

    def loss(log_probs, targets, input_lengths, target_lengths):
        return nn.functional.ctc_loss(log_probs.log_softmax(2), targets, input_lengths, target_lengths)

    def run(execute):
        if given == "list":
            return profile(lambda x: loss(x, targets, *lengths), log_probs, backward=backward, execute=execute)
        return profile(loss, [log_probs, targets, *lengths], backward=backward, execute=execute)

    fake, real = run(False), run(True)
    assert fake.total("exact") == real.total("exact") > 0


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("shape", [(2, 4), (2, 3, 4)])
def test_integers_do_not_fit_a_linear_layer_as_in_a_real_call(bias, shape):
    linear = nn.Linear(4, 3, bias=bias)
    with pytest.raises(RuntimeError, match=r"must have the same dtype|expected m1 and m2 to have the same dtype"):
        linear(torch.ones(shape, dtype=torch.int64))
    with pytest.raises(errors.ModelError, match="must have the same dtype, but got Long and Float"):
        profile(linear, spec(shape, dtype="int64"))


def test_dtypes_of_a_product_with_a_vector_have_to_fit():
    given = [spec(3, 4, dtype="float64"), spec(4, dtype="float32")]
    with pytest.raises(errors.ModelError, match="must have the same dtype, but got Float, Double, and Float"):
        profile(torch.mv, given)


def test_real_execution_with_another_default_device():
    model, table = nn.Linear(4, 3), nn.Embedding(5, 4)
    with torch.device("meta"):
        assert profile(model, (2, 4), execute=True).macs == 2 * 4 * 3
        assert len(profile(table, spec(2, 3, dtype="int64"), execute=True)) == 1


CHECKS = {
    "parameters of a distribution": lambda x: torch.distributions.Categorical(logits=x).entropy(),
    "a number for a parameter": lambda x: torch.distributions.Normal(x, 1.0).rsample(),
    "a sample": lambda x: torch.distributions.Normal(x, x.exp()).log_prob(x),
    "a positive definite matrix": lambda x: torch.distributions.MultivariateNormal(
        x, covariance_matrix=x @ x.T + torch.eye(4)
    ).log_prob(x),
    "an assertion": lambda x: torch._assert((x < 2).all(), "too large") or x.exp(),
    "an assertion of all": lambda x: torch._check_tensor_all(x < 2) or x.exp(),
}


@pytest.mark.parametrize("check", CHECKS)
def test_checks_that_only_refuse_let_pass_what_has_no_values(check):
    run, x = CHECKS[check], torch.rand(4, 4)
    fake, real = (profile(run, x, execute=execute) for execute in (False, True))
    assert fake.total("exact") == real.total("exact") > 0


def test_other_code_of_distributions_still_needs_values():
    with pytest.raises(errors.NeedsValuesError):
        profile(lambda x: torch.distributions.VonMises(x, x.exp()).sample(), (4,))
    with pytest.raises(errors.NeedsValuesError):
        profile(lambda x: x.exp() if (x < 2).all() else x, (4,))


@pytest.mark.parametrize("make", [
    lambda like: like.new_ones(4, dtype=torch.bool), lambda like: torch.ones_like(like[0], dtype=torch.bool),
    lambda like: torch.full_like(like[0], 3).long() == 3, lambda like: like.new_full((4,), True, dtype=torch.bool),
    lambda like: ~like.new_zeros(4, dtype=torch.bool), lambda like: torch.zeros_like(like[0]) == 0,
])  # fmt: skip
def test_what_is_filled_with_a_value_has_it_whatever_it_is_made_like(make):
    def masked(x):
        made = x @ x
        mask = make(made)
        assert mask.all()
        mask[0] = False
        return (made[mask].sum(),) if int(mask.sum()) == 3 else ()

    real, fake = shapes_of(masked, [((4, 4), torch.float32)])
    assert real == fake == [((), torch.float32)]


def test_what_is_filled_and_then_written_to_is_unknown_again():
    def written(x):
        mask = torch.ones_like(x[0])
        mask.add_(x[0])
        return bool(mask.all())

    with pytest.raises(errors.NeedsValuesError):
        profile(written, (4, 4))
