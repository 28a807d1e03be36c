from __future__ import annotations

import handmade
import pytest
from torch import nn

import flopsight
from flopsight import Convention, Cost, TensorSpec, conventions
from flopsight.calls import Operation
from flopsight.errors import ConventionError


def test_there_are_ours_and_the_tools() -> None:
    ours = {"macs", "flops", "linear", "weights", "exact"}
    tools = {"thop", "ptflops", "ptflops_aten", "fvcore", "torchvision", "torchinfo", "deepspeed", "torch_flops"}
    assert ours | tools <= set(conventions.names())


@pytest.mark.parametrize("name", conventions.names())
def test_a_convention_says_what_it_counts(name: str) -> None:
    convention = conventions.get(name)
    assert convention.name == name
    assert convention.summary.endswith(".")
    assert convention.unit in ("MACs", "FLOPs", "operations", "bytes")


def test_an_unknown_name_gets_near_matches() -> None:
    with pytest.raises(ConventionError, match=r"There is no convention 'fvcor'; there are .*Did you mean 'fvcore'\?"):
        handmade.classifier().total("fvcor")


def test_users_define_their_own() -> None:
    def parts(operation: Operation) -> dict[str, int]:
        return {"results": operation.outputs[0].numel}

    results = Convention("results", "Elements of results.", "elements", parts)
    profile = handmade.classifier()
    assert profile.total(results) == 2 * handmade.M * handmade.N
    assert profile.explain("macs", results).rows["results"] == (0, 2 * handmade.M * handmade.N)


def operation(
    name: str, family: str, cost: Cost, *, out: tuple[int, ...] = (2, 6), arguments: dict[str, object] | None = None,
    **inputs: tuple[int, ...],
) -> Operation:  # fmt: skip
    specs = {name: TensorSpec(shape) for name, shape in inputs.items()}
    return Operation(f"aten::{name}", family, specs, arguments or {}, (TensorSpec(out),), cost, "float32")


WORK = Cost(macs=60, results=12, biases=12, multiply=5)


@pytest.mark.parametrize("name", [name for name in conventions.names() if conventions.get(name).unit != "bytes"])
def test_of_a_backward_operator_tools_count_contractions_only(name: str) -> None:
    backward = operation("native_batch_norm_backward", "normalization", WORK, input=(2, 6), weight=(6,))
    contractions = conventions.get("linear").parts(backward)["contractions"]
    count = conventions.get(name).count(backward)
    if name in ("linear", "weights", "exact"):
        assert count == {"linear": contractions + 12, "weights": 60 + 12, "exact": contractions + 12 + 5}[name]
    else:
        assert count in (60, 2 * 60, 2 * 60 - 12)


@pytest.mark.parametrize(
    ("name", "in_eval", "in_training"), [("fvcore", 2, 5), ("deepspeed", 2, 5), ("thop", 4, 4), ("ptflops", 2, 2)]
)
def test_batch_norm_in_training(name: str, in_eval: int, in_training: int) -> None:
    for training, each in ((False, in_eval), (True, in_training)):
        layer = flopsight.profile(batch_norm(training), (2, 3, 4, 4))
        assert layer.total(name) == each * 2 * 3 * 4 * 4


def batch_norm(training: bool) -> nn.Module:
    return nn.BatchNorm2d(3).train(training)


def test_global_pooling_is_pooling() -> None:
    pooled = mean([-1, -2], keepdim=True)
    assert conventions.get("fvcore").parts(pooled)["pooling"] == 2 * 3 * 4 * 5
    assert conventions.get("exact").parts(pooled)["pooling"] == 2 * 3 * 4 * 5


@pytest.mark.parametrize(("dims", "keepdim"), [([-1, -2], False), ([2, 3], True)])
def test_a_mean_is_not(dims: list[int], keepdim: bool) -> None:
    assert conventions.get("fvcore").count(mean(dims, keepdim=keepdim)) == 0
    assert conventions.get("exact").parts(mean(dims, keepdim=keepdim))["reduction"] == 2 * 3 * 4 * 5


def mean(dims: list[int], *, keepdim: bool) -> Operation:
    """Of a 2 x 3 x 4 x 5 image, over its last dimensions."""
    cost = Cost(add=2 * 3 * (4 * 5 - 1), divide=2 * 3)
    out = (2, 3, 1, 1) if keepdim else (2, 3)
    return operation(
        "mean.dim", "reduction", cost, out=out, self=(2, 3, 4, 5), arguments={"dim": dims, "keepdim": keepdim}
    )


def test_a_softmax_over_an_outer_dimension() -> None:
    softmax = operation("_softmax", "softmax", Cost(), out=(2, 7, 5), self=(2, 7, 5), arguments={"dim": -2})
    assert conventions.get("thop").parts(softmax)["softmax"] == (3 * 7 - 1) * 2 * 5


def test_fused_attention_counts_its_softmax() -> None:
    B, H, L, S, E = 2, 3, 4, 5, 6
    attention = operation(
        "_scaled_dot_product_flash_attention", "attention", Cost(macs=2 * B * H * L * S * E), out=(B, H, L, E),
        query=(B, H, L, E), key=(B, H, S, E), value=(B, H, S, E), arguments={"is_causal": True},
    )  # fmt: skip
    scores = B * H * L * S
    assert conventions.get("thop").parts(attention)["softmax"] == 3 * scores - B * H * L
    assert conventions.get("ptflops").parts(attention)["softmax"] == scores + B * H * L * E
    assert conventions.get("torch_flops").parts(attention)["softmax"] == scores + scores + 3 * scores - B * H * L


def test_torchinfo_takes_an_embedding_for_a_matrix_product() -> None:
    N, L, V, D = 2, 7, 100, 8
    lookup = operation("embedding", "embedding", Cost(), out=(N, L, D), weight=(V, D), indices=(N, L))
    assert conventions.get("torchinfo").parts(lookup)["embedding"] == N * V * D
    assert conventions.get("macs").count(lookup) == 0
