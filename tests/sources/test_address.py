from __future__ import annotations

import pytest

from flopsight.errors import InputError
from flopsight.sources import resolve, sources
from flopsight.sources._address import split_arguments


@pytest.mark.parametrize(("text", "expected"), [
    ("net.py:Net", ("net.py:Net", {})),
    ("net.py:Net()", ("net.py:Net", {})),
    ("net.py:Net(depth=3, name='a(b)', sizes=[1, 2])", ("net.py:Net", {"depth": 3, "name": "a(b)", "sizes": [1, 2]})),
    ("timm:vit(img_size=384)", ("timm:vit", {"img_size": 384})),
])  # fmt: skip
def test_arguments_stand_in_parentheses(text, expected) -> None:
    assert split_arguments(text) == expected


@pytest.mark.parametrize("text", ["Net(3)", "Net(depth=)", "Net(depth=open('x'))", "Net(**{'a': 1})", "Net(a=1)(b=2)"])
def test_only_literals_by_name_are_arguments(text) -> None:
    with pytest.raises(InputError, match="write literals by name"):
        split_arguments(text)


def test_every_source_says_how_it_is_written() -> None:
    prefixes = [source.prefix for source in sources()]
    assert prefixes == sorted(prefixes, key=lambda prefix: (not prefix, prefix))
    assert {"timm", "torchvision", "transformers", ""} <= {*prefixes}
    assert all(source.form and source.summary for source in sources())


@pytest.mark.parametrize("text", ["", "resnet", "hub:resnet50", "net.txt"])
def test_an_unknown_form_names_the_known_ones(text) -> None:
    with pytest.raises(InputError) as refused:
        resolve(text)
    assert all(source.form in str(refused.value) for source in sources()) or "to import" in str(refused.value)
