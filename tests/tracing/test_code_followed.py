"""Which code can be followed by the names in it, on whatever version of Python this runs on."""

from __future__ import annotations

import pytest
import torch

from flopsight.tracing.again.code import codes_in, names_in


class Base:
    def forward(self, x):
        return x


class Followed(Base):
    """Everything that a forward ordinarily does."""

    def forward(self, x, *args, scale=1, **kwargs):
        if x.shape[0] > 1 and not self.training:
            y = [torch.relu(item) for item in x if item is not None]
            for n, (a, b) in enumerate(zip(y, y, strict=False)):
                z = a * b + n**2 - 1.5 @ a
                z[..., 1:n, None] = 3
            named = {key: value for key, value in kwargs.items()}  # noqa: C416
            several = {1, 2, *y}
            given = (*y, *args)
            f"{x.shape[0]:>3} {self.name!r}"
            z = sum((lambda q: q + scale)(item) for item in y)
            assert isinstance(x, (int, float)), f"bad {x}"
            x = super().forward(x, **named)
            first, *rest = given
            del first
            w = x if self.flag else None
            w = -x if x else ~x
            while w is None:
                w = self.more(*rest, k=1, **named)
                continue
            if "a" in kwargs or several != given:
                raise ValueError("no")
            return torch.nn.functional.relu(w[1:2], inplace=True), w[:, 0], z
        return x


def test_an_ordinary_forward_is_followed():
    names = names_in(Followed.forward.__code__)
    assert names is not None
    assert {("torch", "relu"), ("torch", "nn", "functional", "relu"), ("sum",), ("super",)} < names.paths
    assert {"shape", "training", "items", "name", "forward", "flag", "more"} < names.attributes
    assert len(list(codes_in(Followed.forward.__code__))) > 2


def assigns_an_attribute(x):
    x.y = 1


def deletes_an_attribute(x):
    del x.y


def imports(x):
    import math

    return math.pi


def catches(x):
    try:
        return x.y
    except AttributeError:
        return 1


def catches_all(x):
    try:
        return x.y
    except:  # noqa: E722
        return 1


def ends_by_all_means(x):
    try:
        x.y()
    finally:
        x.z()


def enters(x):
    with x:
        pass


def assigns_a_global(x):
    global assigned
    assigned = x


async def awaits(x):
    return await x


def makes_a_class(x):
    class Made:
        pass

    return Made


def hides_it_inside(x):
    def inner():
        x.y = 1

    return inner


class Itself:
    def forward(self):
        return __class__


def around():
    times = 0

    def counts():
        nonlocal times
        times += 1

    return counts


@pytest.mark.parametrize(
    "function",
    [
        assigns_an_attribute, deletes_an_attribute, imports, catches, catches_all, ends_by_all_means, enters,
        assigns_a_global, awaits, makes_a_class, hides_it_inside, Itself.forward, around(),
    ],
    ids=lambda function: function.__qualname__,
)  # fmt: skip
def test_what_else_code_can_do_is_not(function):
    assert names_in(function.__code__) is None
