"""References of fused optimizer steps, parameter by parameter; they return the parameters afterwards."""

from __future__ import annotations

import math
from itertools import count

import torch
from formulas.elementwise import over, proof_of, sample, seeds, shapes
from hypothesis import strategies as st
from oracle import decide, maximum, special, sqrt
from proof import Call, Proof, each


def prepared(g, p, *, maximize, decay, grad_scale):
    """The gradient, unscaled, turned around and with weight decay, each where it is asked for."""
    if grad_scale is not None:
        g = g / grad_scale.item()
    if maximize:
        g = -g
    return g + decay * p if decay else g


def adam(
    self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, lr, beta1, beta2, weight_decay, eps, amsgrad,
    maximize, grad_scale, decoupled=False,
):  # fmt: skip
    results = []
    for i, step in enumerate(state_steps):
        t = step.item()
        step_size = lr / (1 - special(lambda n: beta1**n, t))
        root = sqrt(1 - special(lambda n: beta2**n, t))

        def one(p, g, m, v, most, step_size=step_size, root=root):
            g = prepared(g, p, maximize=maximize, decay=0 if decoupled else weight_decay, grad_scale=grad_scale)
            if decoupled and weight_decay:
                p = p - (lr * weight_decay) * p
            m = beta1 * m + (1 - beta1) * g
            v = beta2 * v + (1 - beta2) * g * g
            if amsgrad:
                v = maximum(v, most)
            return p - step_size * m / (sqrt(v) / root + eps)

        most = max_exp_avg_sqs[i] if amsgrad else exp_avg_sqs[i]
        results.append(over(one, self[i], grads[i], exp_avgs[i], exp_avg_sqs[i], most))
    return tuple(results)


def adamw(
    self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, lr, beta1, beta2, weight_decay, eps, amsgrad,
    maximize, grad_scale,
):  # fmt: skip
    return adam(
        self, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs, state_steps, lr, beta1, beta2, weight_decay, eps, amsgrad,
        maximize, grad_scale, decoupled=True,
    )  # fmt: skip


def sgd(
    self, grads, momentum_buffer_list, weight_decay, momentum, lr, dampening, nesterov, maximize, is_first_step,
    grad_scale,
):  # fmt: skip
    def one(p, g, b):
        g = prepared(g, p, maximize=maximize, decay=weight_decay, grad_scale=grad_scale)
        if momentum:
            b = g if is_first_step else momentum * b + (g if dampening == 0 else (1 - dampening) * g)
            g = g + momentum * b if nesterov else b
        return p - lr * g

    buffers = momentum_buffer_list or grads
    return tuple(over(one, *arrays) for arrays in zip(self, grads, buffers, strict=True))


def adagrad(self, grads, state_sums, state_steps, lr, lr_decay, weight_decay, eps, maximize, grad_scale):
    results = []
    for p, g, s, step in zip(self, grads, state_sums, state_steps, strict=True):
        rate = lr / (1 + (step.item() - 1) * lr_decay)

        def one(p, g, s, rate=rate):
            g = prepared(g, p, maximize=maximize, decay=weight_decay, grad_scale=grad_scale)
            s = s + g * g
            return p - rate * g / (sqrt(s) + eps)

        results.append(over(one, p, g, s))
    return tuple(results)


def unscaled(self, inv_scale):
    def one(g):
        decide(math.isfinite, g)
        return g * inv_scale.item()

    return tuple(over(one, array) for array in self)


def updated_scale(self, growth_tracker, found_inf, scale_growth_factor, scale_backoff_factor, growth_interval):
    scale, steps = self.item(), growth_tracker.item() + 1
    smaller, larger = scale * scale_backoff_factor, scale * scale_growth_factor
    grown = larger if steps == growth_interval else scale
    return smaller if decide(bool, found_inf.item()) else grown


rates = st.sampled_from([0.0, 0.1])


@st.composite
def step(draw, *lists, **options):
    """Parameters, gradients and what is kept between steps; plain options; perhaps a gradient scale."""
    sizes, seed = draw(st.lists(shapes, min_size=1, max_size=3)), count(draw(seeds))
    given = {name: [sample("positive", size, next(seed)) for size in sizes] for name in ("self", "grads", *lists)}
    if "state_steps" in given:
        given["state_steps"] = [sample("over one", (), next(seed)) for _ in sizes]
    given |= {name: draw(option) for name, option in options.items()}
    for kept, needed in {"max_exp_avg_sqs": "amsgrad", "momentum_buffer_list": "momentum"}.items():
        if kept in given and not given[needed]:
            given[kept] = []
    scale = sample("float32", (), next(seed)) if draw(st.booleans()) else None
    return {**given, "grad_scale": scale, "found_inf": None}


flags = st.booleans()
ADAM = step(
    "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs", "state_steps",
    lr=st.just(0.01), beta1=st.just(0.9), beta2=st.just(0.99), weight_decay=rates, eps=st.just(1e-8), amsgrad=flags,
    maximize=flags,
)  # fmt: skip
SGD = step(
    "momentum_buffer_list",
    weight_decay=rates, momentum=st.sampled_from([0.0, 0.9]), lr=st.just(0.01), dampening=rates, nesterov=flags,
    maximize=flags, is_first_step=flags,
)  # fmt: skip
ADAGRAD = step(
    "state_sums", "state_steps",
    lr=st.just(0.01), lr_decay=st.just(0.1), weight_decay=rates, eps=st.just(1e-8), maximize=flags,
)  # fmt: skip


class Step(Proof):
    """The proof of an operator that changes its first argument in place."""

    def run(self, operator, given):
        tensors = each(torch.clone, given)
        getattr(torch.ops.aten, f"{operator.__name__}_")(**tensors)
        return tensors["self"]


def in_place(operator, reference, arguments):
    return operator, Step(reference, arguments.map(lambda given: Call(given, overload="")), integers=True)


@st.composite
def gradients(draw):
    sizes = draw(st.lists(shapes, min_size=1, max_size=3))
    one = {"found_inf": sample("positive", (), 0), "inv_scale": sample("positive", (), 1)}
    return {"self": [sample("signed", size, draw(seeds)) for size in sizes], **one}


@st.composite
def scales(draw):
    scalars = {"self": sample("positive", ()), "growth_tracker": sample("int", ()), "found_inf": sample("positive", ())}
    plain = {"scale_growth_factor": 2.0, "scale_backoff_factor": 0.5, "growth_interval": draw(st.integers(1, 3))}
    return {**scalars, **plain}


PROOFS = [
    in_place("aten::_fused_adam", adam, ADAM),
    in_place("aten::_fused_adamw", adamw, ADAM),
    in_place("aten::_fused_sgd", sgd, SGD),
    in_place("aten::_fused_adagrad", adagrad, ADAGRAD),
    proof_of("aten::_amp_foreach_non_finite_check_and_unscale", unscaled, gradients(), values=False),
    proof_of("aten::_amp_update_scale", updated_scale, scales(), values=False),
]
