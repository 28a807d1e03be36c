"""What stands before the colon: a source, another name of one, one misspelt, or a module of the user's."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from flopsight.errors import InputError
from flopsight.sources import resolve, sources

MODULE = """
import pathlib
pathlib.Path({mark!r}).write_text("imported")
from torch import nn
class Net(nn.Module):
    def forward(self, x):
        return x
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder one is in; `imported` is there once a module of it was imported."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    return tmp_path


def module(folder: Path, name: str) -> None:
    path = folder / name
    path.parent.mkdir(exist_ok=True)
    path.write_text(MODULE.format(mark=str(folder / "imported")))


@pytest.mark.parametrize(("written", "meant"), [
    ("torchvison", "torchvision"), ("torchvisoin", "torchvision"), ("torchvisionn", "torchvision"),
    ("Torchvision", "torchvision"), ("torch_vision", "torchvision"), ("tmm", "timm"), ("tim", "timm"), ("timn", "timm"),
    ("itmm", "timm"), ("TIMM", "timm"), ("transformer", "transformers"), ("trasnformers", "transformers"),
    ("hugginface", "transformers"),
])  # fmt: skip
@pytest.mark.parametrize("present", [False, True])
def test_a_source_misspelt_is_refused_and_nothing_is_imported(folder, written, meant, present) -> None:
    if present:
        module(folder, f"{written}.py")
    with pytest.raises(InputError) as refused:
        resolve(f"{written}:Net(depth=3)")
    assert f"Did you mean '{meant}:Net'" in str(refused.value)
    assert (f"'./{written}.py:Net'" in str(refused.value)) == present
    assert not (folder / "imported").exists()
    assert written not in sys.modules


def test_a_package_of_such_a_name_is_not_imported(folder) -> None:
    module(folder, "tmm/__init__.py")
    with pytest.raises(InputError, match=r"'timm:Net' or, for the module in this folder, './tmm/__init__.py:Net'"):
        resolve("tmm:Net")
    assert not (folder / "imported").exists()


def test_the_way_that_the_sentence_gives_is_one(folder) -> None:
    module(folder, "tmm.py")
    try:
        assert resolve("./tmm.py:Net").name == "./tmm.py:Net"
    finally:
        sys.modules.pop("tmm", None)
    assert (folder / "imported").exists()


@pytest.mark.parametrize(("alias", "prefix", "model"), [
    ("hf", "transformers", "no_model_of_this_name"), ("huggingface", "transformers", "no_model_of_this_name"),
    ("tv", "torchvision", "no_model_of_this_name"),
])  # fmt: skip
def test_another_name_of_a_source_is_the_source(folder, alias, prefix, model) -> None:
    pytest.importorskip("transformers" if prefix == "transformers" else "torch")
    with pytest.raises(InputError, match=f"{prefix} has no model"):
        resolve(f"{alias}:{model}")
    module(folder, f"{alias}.py")
    with pytest.raises(InputError, match=f"another name of a source.*'{prefix}:{model}' or.*'./{alias}.py:{model}'"):
        resolve(f"{alias}:{model}")
    assert not (folder / "imported").exists()


def test_another_name_builds_the_model() -> None:
    assert resolve("tv:resnet18").name == "resnet18"


@pytest.mark.parametrize("name", ["nets", "hub", "models", "torch_models", "vision", "team", "a"])
def test_a_module_of_another_name_is_imported_as_ever(folder, name) -> None:
    module(folder, f"{name}.py")
    try:
        assert resolve(f"{name}:Net").name == f"{name}:Net"
    finally:
        sys.modules.pop(name, None)
    assert (folder / "imported").exists()


def test_no_name_stands_for_two_sources() -> None:
    names = [name for source in sources() for name in (source.prefix, *source.aliases) if name]
    assert len(names) == len(set(names))
