"""What inputs may be, and what is said of those that cannot be used."""

from __future__ import annotations

from typing import NamedTuple

import pytest
import torch
from torch import nn

from flopsight import errors, profile, spec

pytestmark = pytest.mark.filterwarnings("ignore::flopsight.errors.StandInWarning")
"""The tests look at the stand-ins that a model is given."""


class Echo(nn.Module):
    """Hands back what it was called with."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, dtype=torch.bfloat16))

    def forward(self, *args, **kwargs):
        self.seen(args, kwargs)


def seen(inputs=None, kwargs=None, model=None):
    """The positional and keyword arguments that a model gets."""
    found = []
    echo = model or Echo()
    echo.seen = lambda args, kwargs: found.append((args, kwargs))
    profile(echo, inputs, kwargs=kwargs)
    return found[0]


def shapes(values):
    return [tuple(value.shape) for value in values]


@pytest.mark.parametrize(
    "inputs", [(1, 3, 4), [1, 3, 4], torch.zeros(1, 3, 4), spec(1, 3, 4), spec((1, 3, 4)), [(1, 3, 4)]]
)
def test_one_tensor(inputs):
    args, kwargs = seen(inputs)
    assert (shapes(args), kwargs) == ([(1, 3, 4)], {})


def test_a_shape_has_the_dtype_of_the_model():
    assert seen((1, 3))[0][0].dtype == torch.bfloat16
    assert seen(spec(1, 3, dtype="int64"))[0][0].dtype == torch.int64
    assert seen(torch.zeros(2, dtype=torch.float64))[0][0].dtype == torch.float64


def test_several_arguments():
    assert shapes(seen([(1, 3), (4,)])[0]) == [(1, 3), (4,)]
    assert shapes(seen(((1, 3), spec(4)))[0]) == [(1, 3), (4,)]


def test_a_dict_at_the_top_is_keyword_arguments_and_elsewhere_one_argument():
    args, kwargs = seen({"x": (1, 3)}, kwargs={"y": spec(2), "flag": True})
    assert args == ()
    assert (tuple(kwargs["x"].shape), tuple(kwargs["y"].shape), kwargs["flag"]) == ((1, 3), (2,), True)
    args, _ = seen([{"x": (1, 3), "deep": [{"y": (2, 2)}]}])
    assert (tuple(args[0]["x"].shape), tuple(args[0]["deep"][0]["y"].shape)) == ((1, 3), (2, 2))


class Pair(NamedTuple):
    left: torch.Tensor
    right: int


def test_other_values_are_passed_on():
    marker = object()
    args, _ = seen([(1, 3), 5, "text", None, marker, Pair(torch.zeros(2), 3), True])
    assert args[1:5] == (5, "text", None, marker)
    assert (tuple(args[5].left.shape), args[5].right, args[6]) == ((2,), 3, True)


def test_no_argument_at_all():
    assert seen() == ((), {})
    assert seen([]) == ((), {})


def test_integers_of_the_users_keep_their_values():
    def lengths(ids):
        return [torch.zeros(n) for n in ids.tolist()]

    profile(lengths, [torch.tensor([1, 2])])
    with pytest.raises(errors.NeedsValuesError, match=r"tolist\(\)"):
        profile(lengths, spec(2, dtype="int64"))


@pytest.mark.parametrize(
    ("inputs", "kwargs", "message"),
    [
        ((1, -3), None, "size -3"),
        (("the batch", 3), None, "named by a word"),
        ({"x": (1,)}, {"x": (1,)}, "'x' is given twice"),
        ((1, 3), [1], "give a dict"),
    ],
)
def test_unusable_inputs(inputs, kwargs, message):
    with pytest.raises(errors.InputError, match=message):
        seen(inputs, kwargs)


def test_an_unknown_dtype_names_near_ones():
    with pytest.raises(errors.InputError, match=r"no dtype 'flaot32'.*'float32'"):
        spec(1, dtype="flaot32")


@pytest.mark.parametrize(
    ("model", "message"),
    [(3, "The model is 3; give a torch.nn.Module"), (nn.Linear, "is the class Linear; give an instance")],
)
def test_unusable_models(model, message):
    with pytest.raises(errors.InputError, match=message):
        profile(model, (1, 3))


def test_the_models_own_error_names_the_module_and_what_was_given():
    model = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Sequential(nn.Flatten(), nn.Linear(7, 3)))
    with pytest.raises(errors.ModelError) as raised:
        profile(model, (1, 3, 8, 8))
    assert isinstance(raised.value.__cause__, RuntimeError)
    assert str(raised.value) == (
        "The model's own code failed in module '1.1' (Linear): RuntimeError: mat1 and mat2 shapes cannot be multiplied "
        "(1x144 and 7x3). It was called with (float32[1, 3, 8, 8])."
    )


def test_control_flow_on_values_is_one_sentence():
    class Gate(nn.Module):
        def forward(self, x):
            return x * 2 if x.sum() > 0 else x

    with pytest.raises(errors.NeedsValuesError) as raised:
        profile(nn.Sequential(nn.Linear(2, 2), Gate()), (1, 2))
    text = str(raised.value)
    assert text.startswith("Module '1' (Gate) at ")
    assert "test_inputs.py" in text
    assert "x.sum() > 0" in text
    assert "execute=True" in text
    assert profile(nn.Sequential(nn.Linear(2, 2), Gate()), (1, 2), execute=True).macs == 4


@pytest.mark.parametrize(
    "read",
    [
        lambda x: x.tolist(), lambda x: x.numpy(), lambda x: x[x > 0], lambda x: x.nonzero(), lambda x: int(x.argmax()),
        torch.unique, lambda x: torch.equal(x, x), lambda x: x.masked_select(x > 0), lambda x: float(x.sum()),
        lambda x: x.repeat_interleave((x > 0).sum(0).long(), 0),
    ],
)  # fmt: skip
def test_whatever_reads_values_says_so(read):
    with pytest.raises(errors.NeedsValuesError, match="execute=True"):
        profile(read, (4, 4))


def test_constants_are_folded():
    class Table(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("sizes", torch.tensor([2, 3]))
            self.scale = nn.Parameter(torch.tensor(2.0))

        def forward(self, x):
            first, second = (self.sizes + 1).tolist()
            mask = torch.arange(4) < first
            scale = float(self.scale.detach().exp())
            return x[:, mask].sum() * scale if int(mask.sum()) == 3 else x.view(second, -1)

    assert profile(Table(), (2, 4)).total("exact") > 0


def test_backward_of_what_needs_no_gradient_is_one_sentence():
    with pytest.raises(errors.InputError, match="unfreeze"):
        profile(nn.ReLU(), (1, 2), backward=True)


def test_real_execution_of_a_model_without_weights_is_one_sentence():
    with pytest.raises(errors.InputError, match="meta device"):
        profile(nn.Linear(2, 2).to("meta"), (1, 2), execute=True)


def test_lazy_modules_have_to_be_called_once():
    model = nn.Sequential(nn.LazyLinear(3))
    with pytest.raises(errors.InputError, match=r"module '0' .*call the model once"):
        profile(model, (2, 4))
    model(torch.ones(2, 4))
    assert profile(model, (2, 4)).macs == 2 * 4 * 3


def test_an_operator_whose_result_pytorch_cannot_tell():
    with torch.library._scoped_library("flopsight_inputs", "FRAGMENT") as library:
        library.define("odd(Tensor x) -> Tensor")
        library.impl("odd", lambda x: x[:1], "CPU")
        with pytest.raises(errors.InputError, match=r"register_fake.*execute=True"):
            profile(lambda x: torch.ops.flopsight_inputs.odd(x), (2, 2))
        assert list(profile(lambda x: torch.ops.flopsight_inputs.odd(x), (2, 2), execute=True).unknown)
