"""Every way PyTorch code does work: the count, attribution and phase are right. Expected values are arithmetic."""

from __future__ import annotations

import warnings

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from torch.utils.checkpoint import checkpoint
from versions import tried

import flopsight
from flopsight import profile, spec

B, S, D, H = 2, 10, 16, 4  # batch, sequence, width, heads
ATTENTION = 4 * B * S * D * D + 2 * B * S * S * D
ENCODER_LAYER = ATTENTION + 2 * B * S * D * 32
GRAD_MODES = [torch.enable_grad, torch.no_grad, torch.inference_mode]


@pytest.mark.parametrize("grad", GRAD_MODES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("execute", [True, False])
def test_multihead_attention_has_no_hole_in_eval(grad, training, execute):
    mha = nn.MultiheadAttention(D, H, batch_first=True).train(training)
    with grad():
        p = profile(mha, [(B, S, D)] * 3, execute=execute)
    assert p.macs == ATTENTION
    assert p["out_proj"].macs == B * S * D * D
    assert not p.unknown


@pytest.mark.parametrize("grad", GRAD_MODES)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("execute", [True, False])
def test_transformer_encoder_counts_the_same_in_eval(grad, training, execute):
    layer = nn.TransformerEncoderLayer(D, H, 32, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2).train(training)
    with grad():
        p = profile(encoder, (B, S, D), execute=execute)
    assert p.macs == 2 * ENCODER_LAYER
    assert p["layers.1.linear1"].macs == B * S * D * 32
    assert p["layers.0.self_attn"].macs == ATTENTION


def test_a_padding_mask_does_not_change_the_count():
    encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(D, H, 32, batch_first=True), 2).eval()
    with torch.no_grad():
        p = profile(encoder, (B, S, D), kwargs={"src_key_padding_mask": spec(B, S, dtype="bool")})
    assert p.macs == 2 * ENCODER_LAYER


GATES = {nn.LSTM: 4, nn.GRU: 3, nn.RNN: 1}
T, I, O = 7, 8, 12  # steps, input width, hidden width


@pytest.mark.parametrize("grad", GRAD_MODES)
@pytest.mark.parametrize("execute", [True, False])
@pytest.mark.parametrize("kind", GATES)
def test_recurrent(kind, grad, execute):
    gates = GATES[kind]
    with grad():
        for options, expected in [
            ({}, T * B * gates * O * (I + O)),
            ({"batch_first": True}, T * B * gates * O * (I + O)),
            ({"bias": False}, T * B * gates * O * (I + O)),
            ({"num_layers": 2}, T * B * gates * O * (I + O + O + O)),
            ({"bidirectional": True, "num_layers": 2}, 2 * T * B * gates * O * (I + O + 2 * O + O)),
        ]:
            shape = (B, T, I) if options.get("batch_first") else (T, B, I)
            assert profile(kind(I, O, **options), shape, execute=execute).macs == expected, options


@pytest.mark.parametrize("backward", [False, True])
@pytest.mark.parametrize("kind", [*GATES, nn.LSTMCell, nn.GRUCell, nn.RNNCell])
def test_recurrent_layers_on_the_meta_device(kind, backward):
    shape = (B, I) if kind not in GATES else (T, B, I)
    real, meta = profile(kind(I, O), shape, backward=backward), profile(kind(I, O).to("meta"), shape, backward=backward)
    assert real.macs == meta.macs > 0
    assert real.cost == meta.cost


@pytest.mark.parametrize("execute", [True, False])
def test_projected_lstm(execute):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch says that oneDNN has no projections
        p = profile(nn.LSTM(I, O, proj_size=5), (T, B, I), execute=execute)
    assert p.macs == T * B * (4 * O * (I + 5) + O * 5)


@pytest.mark.parametrize("execute", [True, False])
@pytest.mark.parametrize("kind", GATES)
def test_packed_sequences_count_the_steps_that_are_there(kind, execute):
    rnn = kind(I, O)
    p = profile(lambda x: rnn(pack_padded_sequence(x, [7, 5, 2])), (7, 3, I), execute=execute)
    assert p.macs == (7 + 5 + 2) * GATES[kind] * O * (I + O)


@pytest.mark.parametrize(("cell", "gates"), [(nn.LSTMCell, 4), (nn.GRUCell, 3), (nn.RNNCell, 1)])
def test_recurrent_cells(cell, gates):
    assert profile(cell(I, O), (B, I)).macs == B * gates * O * (I + O)


@pytest.mark.parametrize("grad", GRAD_MODES)
@pytest.mark.parametrize(
    ("q", "k", "v", "options"),
    [
        ((2, 4, 6, 8), (2, 4, 9, 8), (2, 4, 9, 8), {}),
        ((2, 4, 6, 8), (2, 2, 9, 8), (2, 2, 9, 8), {"enable_gqa": True}),
        ((2, 4, 6, 8), (2, 4, 9, 8), (2, 4, 9, 5), {}),
        ((2, 4, 6, 8), (2, 4, 6, 8), (2, 4, 6, 8), {"is_causal": True}),
    ],
)
def test_scaled_dot_product_attention(q, k, v, options, grad):
    with grad():
        p = profile(lambda *qkv: F.scaled_dot_product_attention(*qkv, **options), [q, k, v])
    assert p.macs == 2 * 4 * 6 * k[2] * (8 + v[3])
    seen = 6 * 7 // 2 if options.get("is_causal") else 6 * k[2]
    assert p.effective_macs == 2 * 4 * seen * (8 + v[3])


def test_attention_with_a_mask():
    def attend(q, k, v, mask):
        return F.scaled_dot_product_attention(q, k, v, attn_mask=mask)

    assert profile(attend, [(2, 4, 6, 8), (2, 4, 9, 8), (2, 4, 9, 8), (6, 9)]).macs == 2 * 4 * 6 * 9 * 16


@pytest.mark.parametrize(
    ("function", "shapes", "macs"),
    [
        (lambda a, b: torch.einsum("bij,bkj->bik", a, b), [(2, 3, 4), (2, 5, 4)], 2 * 3 * 5 * 4),
        (lambda a, b: a @ b, [(2, 3, 4, 5), (5, 6)], 2 * 3 * 4 * 5 * 6),
        (lambda a, b: a @ b, [(2, 1, 4, 5), (3, 5, 6)], 2 * 3 * 4 * 5 * 6),
        (lambda a, b: a @ b, [(4, 5), (5,)], 4 * 5),
        (lambda a, b: a @ b, [(3, 4, 5), (5,)], 3 * 4 * 5),
        (lambda a, b: a @ b, [(5,), (5,)], 5),
        (lambda a, b: torch.baddbmm(a, b, b), [(2, 3, 3), (2, 3, 3)], 2 * 27),
        (lambda a: torch.fft.rfft(a), [(4, 16)], 0),
        (lambda a, w: F.linear(a, w), [(3, 4), (5, 4)], 3 * 4 * 5),
        (lambda a, w: F.conv2d(a, w), [(1, 3, 8, 8), (4, 3, 3, 3)], 36 * 4 * 27),
    ],
)
def test_functional_work(function, shapes, macs):
    p = profile(function, shapes, strict=True)
    assert p.macs == macs
    assert p.cost.exact > 0


@pytest.mark.parametrize(
    ("module", "shape", "macs"),
    [
        (nn.Conv2d(8, 16, 3, groups=4, dilation=2, stride=2), (1, 8, 20, 20), 8 * 8 * 16 * 2 * 9),
        (nn.Conv2d(8, 8, 3, groups=8, padding=1), (1, 8, 20, 20), 400 * 8 * 9),
        (nn.ConvTranspose2d(8, 16, 3, stride=2, groups=4), (1, 8, 20, 20), 400 * 8 * 4 * 9),
        (nn.Conv1d(8, 16, 3), (1, 8, 20), 18 * 16 * 8 * 3),
        (nn.Conv3d(2, 3, 3), (1, 2, 5, 5, 5), 27 * 3 * 2 * 27),
    ],
)
def test_convolutions_forward_and_backward(module, shape, macs):
    assert profile(module, shape).macs == macs
    p = profile(module, shape, backward=True)
    assert (p.total("macs", phase="forward"), p.total("macs", phase="backward")) == (
        macs,
        macs,
    )  # the weight's gradient
    x = torch.zeros(shape, requires_grad=True)
    assert profile(module, x, backward=True).macs == 3 * macs


@pytest.mark.parametrize("operator", [tried("aten::_grouped_mm")])
def test_grouped_products(operator):
    grouped = profile(
        lambda a, b, ends: torch._grouped_mm(a, b, offs=ends),
        [spec(32, 16, dtype=torch.bfloat16), spec(4, 16, 8, dtype=torch.bfloat16), spec(4, dtype="int32")],
    )
    assert (grouped.macs, *grouped.by_dtype()) == (32 * 16 * 8, "bfloat16")
    assert list(grouped.by_operator()) == [operator]


def test_low_precision_products():
    bf16, fp8, i8 = torch.bfloat16, torch.float8_e4m3fn, torch.int8
    scaled = profile(
        lambda a, b, s: torch._scaled_mm(a, b.t(), scale_a=s, scale_b=s, out_dtype=bf16),
        [spec(32, 16, dtype=fp8), spec(16, 16, dtype=fp8), spec(dtype="float32")],
    )
    assert (scaled.macs, next(iter(scaled.by_dtype()))) == (32 * 16 * 16, "float8_e4m3fn")
    integer = profile(torch._int_mm, [spec(32, 16, dtype=i8), spec(16, 8, dtype=i8)])
    assert (integer.macs, *integer.by_dtype()) == (32 * 16 * 8, "int8")


@pytest.mark.parametrize("execute", [True, False])
def test_dynamically_quantized_linear(execute):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        warnings.simplefilter("ignore", UserWarning)  # that quantized dtypes are to go
        model = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.Linear(8, 4)), {nn.Linear})
        p = profile(model, (3, 8), execute=execute, strict=True)
    assert (p.macs, next(iter(p.by_dtype()))) == (3 * 8 * 4, "qint8")
    assert p.total("weights") == 3 * 4 * (8 + 1)


@pytest.mark.parametrize("execute", [True, False])
def test_sparse_products_count_what_is_stored(execute):
    sparse = torch.eye(6).to_sparse()
    assert profile(lambda x: torch.sparse.mm(sparse, x), (6, 3), execute=execute).macs == 6 * 3
    assert profile(lambda x: sparse @ x, (6, 3), execute=execute).macs == 6 * 3


class Twice(nn.Module):
    """One layer called twice, and one called past its hooks."""

    def __init__(self):
        super().__init__()
        self.shared = nn.Linear(8, 8)
        self.direct = nn.Linear(8, 8)

    def forward(self, x):
        return self.direct.forward(self.shared(self.shared(x)))


LINEAR = 3 * 8 * 8


@pytest.mark.filterwarnings("ignore:`torch.jit")
@pytest.mark.filterwarnings("ignore:`torch.jit.:DeprecationWarning")
@pytest.mark.parametrize("wrap", [torch.jit.script, lambda m: torch.jit.trace(m, torch.randn(2, 3))])
def test_a_scripted_module_that_a_function_calls(wrap):
    module = wrap(nn.Linear(3, 4))
    assert profile(lambda x: module(x), (2, 3)).macs == 2 * 3 * 4


@pytest.mark.parametrize("wrap", [lambda m: m, torch.jit.script, torch.compile])
def test_layers_called_many_times_or_past_their_hooks(wrap):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        p = profile(wrap(Twice()), (3, 8))
    assert (p.macs, p["shared"].macs, p["direct"].macs) == (3 * LINEAR, 2 * LINEAR, LINEAR)


def test_backward_belongs_to_the_modules_of_the_forward():
    p = profile(Twice(), (3, 8), backward=True)
    assert p["direct"].total("macs", phase="backward") == 2 * LINEAR
    assert p["shared"].total("macs", phase="backward") == 3 * LINEAR  # the input needs no gradient
    p.self_check()


def test_frozen_parameters_save_their_gradients():
    model = Twice()
    model.shared.requires_grad_(False)
    assert profile(model, (3, 8), backward=True).total("macs", phase="backward") == LINEAR


class LoRA(nn.Module):
    def __init__(self, base, rank):
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = nn.Linear(base.in_features, rank, bias=False)
        self.up = nn.Linear(rank, base.out_features, bias=False)

    def forward(self, x):
        return self.base(x) + self.up(self.down(x))


def test_lora_counts_only_the_gradients_that_are_needed():
    R = 2
    model = nn.Sequential(LoRA(nn.Linear(8, 8), R), LoRA(nn.Linear(8, 8), R))
    p = profile(model, (3, 8), backward=True)
    adapter = 3 * 8 * R
    assert p.total("macs", phase="forward") == 2 * (LINEAR + 2 * adapter)
    second = LINEAR + 4 * adapter  # through the base, and both gradients of both halves
    first = 3 * adapter  # no gradient to the model's input
    assert p.total("macs", phase="backward") == first + second
    assert (p.params.trainable, p.params.frozen) == (4 * 8 * R, 2 * (64 + 8))


class Checkpointed(nn.Module):
    def __init__(self, reentrant):
        super().__init__()
        self.block = nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 8), nn.Tanh())
        self.reentrant = reentrant

    def forward(self, x):
        return checkpoint(self.block, x, use_reentrant=self.reentrant)


@pytest.mark.parametrize("reentrant", [True, False])
def test_recomputation_is_a_phase_of_its_own(reentrant):
    p = profile(Checkpointed(reentrant), torch.zeros(3, 8, requires_grad=True), backward=True)
    assert p.total("macs", phase="forward") == 2 * LINEAR
    assert p.total("macs", phase="recompute") == 2 * LINEAR
    assert p.total("macs", phase="backward") == 4 * LINEAR
    assert p["block.2"].total("macs", phase="recompute") == LINEAR
    assert p["block.2"].total("macs", phase="backward") == 2 * LINEAR


def test_function_transforms():
    linear = nn.Linear(8, 8)
    p = profile(lambda x: torch.func.vmap(linear)(x), (3, 8))
    assert p.macs == LINEAR
    p = profile(lambda x: torch.func.grad(lambda y: linear(y).sum())(x), (3, 8))
    assert (p.total("macs", phase="forward"), p.total("macs", phase="backward")) == (LINEAR, LINEAR)
    assert p["Linear"].macs == 2 * LINEAR


class Product(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, g):
        x, w = ctx.saved_tensors
        return g @ w.t(), x.t() @ g


class Custom(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(8, 8))

    def forward(self, x):
        return Product.apply(x, self.weight)


def test_autograd_functions():
    p = profile(Custom(), (3, 8), backward=True)
    assert (p.total("macs", phase="forward"), p.total("macs", phase="backward")) == (LINEAR, 2 * LINEAR)


def test_a_training_step_with_real_tensors():
    model = Twice()
    optimizer = torch.optim.Adam(model.parameters())
    with flopsight.Profiler() as profiler:
        model(torch.ones(3, 8)).sum().backward()
        optimizer.step()
    p = profiler.profile
    p.self_check()
    assert p["Twice"].macs == 8 * LINEAR
    assert p.total("exact", phase="optimizer") > 0
    assert p.total("macs", phase="optimizer") == 0
    assert not p.unknown
    assert model.shared.weight.grad is not None
    assert profiler.profile.params == 2 * 72


def test_several_models_in_one_block():
    with flopsight.Profiler() as profiler:
        nn.Linear(2, 3)(torch.ones(1, 2))
        nn.Linear(2, 3)(torch.ones(1, 2))
    assert [profiler.profile[path].macs for path in ("Linear", "Linear#2")] == [6, 6]


def test_a_profile_inside_a_profiler_counts_for_itself():
    with flopsight.Profiler() as profiler:
        inner = profile(nn.Linear(2, 3), (1, 2))
        torch.ones(1, 2) @ torch.ones(2, 5)
    assert (inner.macs, profiler.profile.macs) == (6, 10)


def test_autocast_counts_in_the_dtype_computed_in():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        p = profile(nn.Linear(8, 8), (3, 8))
    assert p.by_dtype()["bfloat16"].macs == LINEAR


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64, torch.complex64])
def test_dtypes(dtype):
    p = profile(lambda x, w: F.linear(x, w), [spec(3, 8, dtype=dtype), spec(8, 8, dtype=dtype)])
    assert p.macs == LINEAR * (4 if dtype.is_complex else 1)


def test_models_on_the_meta_device():
    p = profile(Twice().to("meta"), (3, 8), backward=True)
    assert p.macs == profile(Twice(), (3, 8), backward=True).macs
    mixed = nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8).to("meta"))
    assert profile(mixed, (3, 8)).macs == 2 * LINEAR


def test_a_constant_overwritten_with_unknown_values_is_unknown():
    def cached(x):
        table = torch.zeros(4, 8)
        table[:3] = x
        return table @ table.t()

    assert profile(cached, (3, 8)).macs == 4 * 4 * 8

    def read(x):
        table = torch.zeros(4, 8)
        table[:3] = x
        return bool(table[0, 0] > 0)

    with pytest.raises(flopsight.errors.NeedsValuesError):
        profile(read, (3, 8))


def test_embedding_is_a_look_up():
    assert profile(nn.Sequential(nn.Embedding(10, 8), nn.Linear(8, 2)), spec(3, 4, dtype="int64")).macs == 3 * 4 * 8 * 2


@pytest.mark.parametrize(
    "module",
    [nn.Upsample(scale_factor=2, mode="bilinear"), nn.Upsample(scale_factor=2), nn.BatchNorm2d(3), nn.Conv2d(3, 4, 3),
     nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 2), nn.Dropout(0.5), nn.Unfold(2), nn.CELU(), nn.Softmax(1),
     nn.InstanceNorm2d(3), nn.GroupNorm(3, 3), nn.LayerNorm(6), nn.MaxPool2d(2), nn.AvgPool2d(2), nn.LogSoftmax(1),
     nn.ChannelShuffle(3), nn.PixelShuffle(1), nn.ZeroPad2d(1), nn.LPPool2d(2, 2), nn.CosineSimilarity(),
     nn.Hardswish()],
    ids=lambda module: type(module).__name__,
)  # fmt: skip
@pytest.mark.parametrize("training", [False, True])
def test_a_module_runs_the_same_operators_with_and_without_autograd(module, training):
    def operators(p):
        return [c.operation.operator for c in p if c.operation.operator not in ("aten::detach", "aten::alias")]

    module.train(training)
    shapes = [(2, 3, 6, 6)] * (2 if isinstance(module, nn.CosineSimilarity) else 1)
    below = profile(module, shapes)
    assert operators(below) == operators(profile(module, shapes)), "a composite operator is remembered as it ran"
    above = profile(lambda *x: module(*x), shapes)
    assert operators(below) == operators(above)
    assert below.cost == above.cost


def test_no_arguments_and_others_than_tensors():
    assert profile(lambda: torch.ones(3, 4) @ torch.ones(4, 5)).macs == 60
    assert profile(lambda x, n: x @ x.t() if n == 2 else x, [(3, 4), 2]).macs == 36
    assert (
        profile(lambda pair, scale=1: pair[0] @ pair[1]["w"], [[(2, 3), {"w": (3, 4)}]], kwargs={"scale": 2}).macs == 24
    )


def test_the_loss_of_an_output_is_what_backward_starts_from():
    class WithLoss(nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = nn.Linear(8, 8)

        def forward(self, x):
            y = self.linear(x)
            return {"loss": y.mean(), "logits": y}

    assert profile(WithLoss(), (3, 8), backward=True).macs == 2 * LINEAR


def test_double_backward_is_backward():
    linear = nn.Linear(8, 8, bias=False)

    def penalty(x):
        x = x.requires_grad_()
        (gradient,) = torch.autograd.grad(linear(x).sum(), x, create_graph=True)
        gradient.pow(2).sum().backward()

    p = profile(penalty, (3, 8))
    assert p.total("macs", phase="recompute") == 0
    assert p.total("macs", phase="forward") == LINEAR
    assert p.total("macs", phase="backward") >= 2 * LINEAR
