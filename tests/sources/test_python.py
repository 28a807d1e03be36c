from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import nn

from flopsight.errors import InputError, MissingLibraryError
from flopsight.sources import Workload, resolve

NET = """
from torch import nn
from sources_test_helper import WIDTH

class Net(nn.Module):
    def __init__(self, width=WIDTH):
        super().__init__()
        self.fc = nn.Linear(4, width)
    def forward(self, x):
        return self.fc(x)
    class Part(nn.Identity):
        pass

def make_net(): return Net(8)
def double(x, y=1): return x + x
def no_model(): return 3
def no_inputs(): return lambda: 1
"""


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    (tmp_path / "sources_test_helper.py").write_text("WIDTH = 16")
    path = tmp_path / "sources_test_net.py"
    path.write_text(NET)
    return path


def found(file: Path, name: str, **options: bool) -> Workload:
    return resolve(f"{file}:{name}" if name else str(file), **options)


@pytest.mark.parametrize(("name", "width"), [("Net", 16), ("make_net", 8), ("Net(width=2)", 2), ("", 16)])
def test_classes_and_functions_are_called(file, name, width) -> None:
    workload = found(file, name)
    assert workload.model.fc.weight.shape == (width, 4)
    assert workload.model.fc.weight.is_meta
    assert workload.args is None
    assert workload.name == (f"{file}:{name.partition('(')[0]}" if name else str(file))


def test_the_mode_is_eval_unless_asked(file) -> None:
    assert not found(file, "Net").model.training
    assert found(file, "Net", train=True).model.training


def test_real_weights_on_demand(file) -> None:
    assert not found(file, "Net", real=True).model.fc.weight.is_meta


def test_a_module_is_taken_as_it_is(file) -> None:
    file.write_text(NET + "ready = Net()\n")
    assert not found(file, "ready").model.fc.weight.is_meta


def test_a_function_with_arguments_is_itself_the_workload(file) -> None:
    workload = found(file, "double")
    assert workload.model(torch.ones(1)).item() == 2
    assert workload.args is None


def test_nested_names_and_models_without_inputs(file) -> None:
    assert isinstance(found(file, "Net.Part").model, nn.Identity)
    assert found(file, "no_inputs").args == ()


def test_packages_are_imported() -> None:
    workload = resolve("torch.nn:Linear(in_features=3, out_features=5)")
    assert workload.model.weight.shape == (5, 3)


@pytest.mark.parametrize(("name", "sentence"), [
    ("Nte", "has no 'Nte'. Did you mean 'Net'"),
    ("no_model", "returned a int, not a model"),
    ("nn.Linear", "needs in_features, out_features; give them in parentheses"),
    ("WIDTH", "is a int, not a model, a class or a function"),
    ("Net(depth=1)", "could not be built: TypeError: .*unexpected keyword argument 'depth'"),
])  # fmt: skip
def test_wrong_names_get_a_sentence(file, name, sentence) -> None:
    with pytest.raises(InputError, match=sentence):
        found(file, name)


@pytest.mark.parametrize(("text", "sentence"), [
    ("x = 1\ny = 1 / 0\n", r"bad.py, line 2 raised ZeroDivisionError when imported: division by zero"),
    ("def f(:\n", r"bad.py, line 1 raised SyntaxError when imported"),
    ("", r"bad.py defines no torch.nn.Module; say which"),
])  # fmt: skip
def test_files_that_do_not_load_get_a_sentence(file, text, sentence) -> None:
    bad = file.with_name("bad.py")
    bad.write_text(text)
    with pytest.raises(InputError, match=sentence):
        resolve(str(bad))
    assert ("bad" in sys.modules) == (not text)


def test_a_missing_library_says_what_to_install(file) -> None:
    file.write_text("import no_such_library.parts\n")
    with pytest.raises(MissingLibraryError, match=r"needs the library no_such_library.*pip install no_such_library"):
        found(file, "Net")


def test_a_file_that_is_not_there_gets_near_ones(file) -> None:
    with pytest.raises(InputError, match=r"no file .*nte.py. Did you mean .*net.py"):
        resolve(str(file.with_name("sources_test_nte.py")))
    with pytest.raises(InputError, match=r"There is no file no/folder/net.py\.$"):
        resolve("no/folder/net.py")
