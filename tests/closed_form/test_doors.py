"""What can be asked of a closed form, and what is refused in a sentence."""

from __future__ import annotations

import gc
import subprocess
import sys
import weakref
from pathlib import Path

import pytest
import sympy
import torch
from closed_form.rows import check
from torch import nn
from torch.nn import functional as F

import flopsight
from flopsight.cli import main
from flopsight.closed_form.assumption import EFFECTS
from flopsight.errors import FlopsightError, InputError, ProfileFormatError

BATCH, SEQ, HEIGHT = (sympy.Symbol(name, integer=True, positive=True) for name in ("batch", "seq", "height"))


class Attention(nn.Module):
    """Keys and queries of all tokens, without a softmax: 2 * batch * seq**2 * 8 multiply-accumulates."""

    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(8, 8, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x @ x.transpose(1, 2) @ self.project(x)


@pytest.fixture
def form() -> flopsight.ClosedForm:
    found = flopsight.profile(Attention(), ("batch", "seq", 8))
    assert isinstance(found, flopsight.ClosedForm)
    return found


def test_figures_are_expressions_in_the_users_names(form) -> None:
    macs = BATCH * SEQ * 64 + 2 * BATCH * SEQ**2 * 8
    assert sympy.expand(form.macs - macs) == 0
    assert str(form.macs) == "16*batch*seq*(seq + 4)"
    assert sympy.expand(form.flops - 2 * macs) == form.total("flops") - form.flops == 0
    assert form["project"].macs == form.by_module()["project"].macs == 64 * BATCH * SEQ
    assert form.by_operator()["aten::bmm"].macs == 16 * BATCH * SEQ**2
    assert sympy.expand(form.cost.exact - form.tally().cost.exact) == 0
    assert form.params == 64


def test_strides_make_floors() -> None:
    form = flopsight.profile(nn.Conv2d(1, 1, 3, stride=2, padding=1, bias=False), (1, 1, "height", 8))
    assert form.macs == 9 * 4 * sympy.ceiling(HEIGHT / 2)


@pytest.mark.parametrize("backward", [False, True])
def test_at_sizes_it_is_the_run_at_them(backward: bool) -> None:
    pooled = nn.MaxPool2d(3, 2, ceil_mode=True)
    model = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2), nn.BatchNorm2d(8), nn.ReLU(), pooled, nn.Flatten(2), nn.Softmax(-1)
    )
    form = flopsight.profile(model, ("batch", 3, "height", "width"), backward=backward)
    for batch, height, width in ((1, 20, 31), (5, 64, 64), (2, 97, 33)):
        run = flopsight.profile(model, (batch, 3, height, width), backward=backward)
        check(form, run, {"batch": batch, "height": height, "width": width})
        assert form.at(batch=batch, height=height, width=width).about["inputs"] == run.about["inputs"]


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] > 100:
            x = x @ x.new_ones(4, 4)
        if x.shape[0] % 2 == 0:
            pass
        return x + 1


def test_what_code_asks_of_sizes_is_an_assumption_with_its_effect() -> None:
    model = Branching()
    form = flopsight.profile(model, ("batch", "seq", 4))
    effects = {str(each.guard): each.effect for each in form.assumptions}
    assert effects["seq > 100"] == "count"
    assert next(effect for guard, effect in effects.items() if "batch" in guard) == "none"
    assert form.at(batch=2, seq=101).macs == 2 * 101 * 16
    with pytest.raises(InputError, match=r"seq > 100.*test_doors.py:\d+: if x.shape\[1\] > 100:.*retrace=True"):
        form.at(batch=2, seq=100)
    assert form.at(batch=2, seq=100, retrace=True).macs == 0
    assert set(effects.values()) <= set(EFFECTS)


class Looping(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.step = nn.Linear(4, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        state = x[:, 0]
        for t in range(1, x.shape[1]):
            state = self.step(state) + x[:, t]
        return state


def test_loops_over_a_size_are_counted_as_often() -> None:
    form = flopsight.profile(Looping(), ("batch", "seq", 4))
    assert sympy.expand(form.macs - 16 * BATCH * (SEQ - 1)) == 0
    found = form.at(batch=3, seq=10)
    assert (found.macs, found.modules["step"].calls) == (3 * 9 * 16, 9)
    found.self_check()
    with pytest.raises(InputError, match="once"):
        form.total("macs", reuse="once")


class Fixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Parameter(torch.zeros(1, 16, 4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if x.shape[1] != 16:
            raise ValueError("wrong length")
        return x + self.table


def test_a_size_that_has_to_be_a_number_is_named_with_the_line() -> None:
    with pytest.raises(
        FlopsightError, match=r"a number for seq, about which .*test_doors.py:\d+: if x.shape\[1\] != 16"
    ) as told:
        flopsight.profile(Fixed(), ("batch", "seq", 4))
    assert "batch or" not in str(told.value)
    assert flopsight.profile(Fixed(), ("batch", 16, 4)).cost.exact == 64 * BATCH


class Hidden(nn.Module):
    """A cost that follows no size by name: of the number of digits of one."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for _ in str(int(x.shape[1]) ** 3):
            x = x * 2
        return x


def test_a_cost_that_is_no_closed_form_is_refused() -> None:
    with pytest.raises(InputError, match=r"no closed form in batch and seq.*by the formulas, and .* when run"):
        flopsight.profile(Hidden(), ("batch", "seq", 4))


def test_a_grid_is_exact_at_every_point(form) -> None:
    found = form.grid("macs", batch=[1, 2, 4], seq=range(1, 1001))
    assert found.shape == (3, 1000)
    assert found[2, 9] == form.at(batch=4, seq=10).macs
    assert form.grid("exact", batch=3, seq=[5, 6]).tolist() == [form.at(batch=3, seq=n).cost.exact for n in (5, 6)]
    large = form.grid("macs", batch=[10**6], seq=[10**9])
    assert large.tolist() == [[16 * 10**6 * 10**9 * (10**9 + 4)]]  # beyond 64 bits


def test_a_budget_is_solved_for_a_size(form) -> None:
    batch = form.solve(macs=10**9, seq=128)
    assert form.at(batch=batch, seq=128).macs <= 10**9 < form.at(batch=batch + 1, seq=128).macs
    with pytest.raises(InputError, match="more than 10"):
        form.solve(macs=10, seq=128)
    with pytest.raises(InputError, match="Give one quantity"):
        form.solve(macs=10)
    with pytest.raises(InputError, match="does not depend on seq"):
        flopsight.profile(Both(), [("batch", 4), ("seq", 5)]).solve(macs=99, batch=1)


class Both(nn.Module):
    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        return (x @ x.new_ones(4, 4)).sum() + y.sum()


def test_growth_is_the_degree_largest_first(form) -> None:
    assert form.growth("seq") == {"project": 1}
    assert form.quantity("macs").degree("seq") == 2
    assert form.quantity("macs").degree("batch") == 1


@pytest.mark.parametrize(("sizes", "message"), [
    ({"batch": 1}, "Give a number for seq"), ({"batch": 1, "sek": 1}, "no size 'sek'.*Did you mean 'seq'"),
    ({"batch": 0, "seq": 1}, "at least 1"), ({"batch": 1.5, "seq": 1}, "integer"),
])  # fmt: skip
def test_wrong_sizes_are_refused_in_a_sentence(form, sizes, message) -> None:
    with pytest.raises(InputError, match=message):
        form.at(**sizes)


def test_what_is_made_of_numbers_says_so(form) -> None:
    for ask in (
        form.to_dataframe, form.explain, lambda: form.roofline("t4"), lambda: form.mfu(1, "t4"),
        lambda: form.render("csv", top=1), lambda: form.log_to([]),
    ):  # fmt: skip
        with pytest.raises(InputError, match=r"profile.at\(batch=..., seq=...\)"):
            ask()
    with pytest.raises(InputError, match="a number for each size"):
        flopsight.profile(Attention(), ("batch", "seq", 8), execute=True)


@pytest.mark.parametrize("name", ["form.json", "form.json.gz"])
def test_saved_and_loaded_it_is_the_same_without_torch(form, tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    form.save(path)
    found = flopsight.load(path)
    assert isinstance(found, flopsight.ClosedForm)
    assert (found.macs, found.assumptions, found.tried) == (form.macs, form.assumptions, form.tried)
    assert str(found) == str(form)
    check(found, flopsight.profile(Attention(), (3, 7, 8)), {"batch": 3, "seq": 7})
    code = (
        "import sys, flopsight; sys.modules['torch'] = None; form = flopsight.load(sys.argv[1]); "
        "print(form.macs, form.at(batch=3, seq=7).macs)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True, check=True)
    assert done.stdout == f"16*batch*seq*(seq + 4) {16 * 3 * 7 * 11}\n"


@pytest.mark.parametrize("damage", [
    {"sizes": {"batch": 211}}, {"counts": [[0, 0, 0, {"=": "seq**999999999"}]]}, {"closed form": 99},
    {"assumptions": [["seq", ">", "__import__('os')", "", "count"]]}, {"assumptions": [["seq", ">", "1", "", "?"]]},
    {"counts": [[0, 0, 0, {"=": "seq//0"}]]}, {"profile": None},
])  # fmt: skip
def test_a_damaged_file_is_refused_in_a_sentence(form, damage) -> None:
    with pytest.raises(ProfileFormatError):
        flopsight.ClosedForm.from_dict({**form.to_dict(), **damage})


def test_the_model_is_not_kept() -> None:
    model = Attention()
    form = flopsight.profile(model, ("batch", "seq", 8))
    gone = weakref.ref(model)
    assert form.retrace({"batch": 1, "seq": 2}).macs == 16 * 2 * 6
    del model
    gc.collect()
    assert gone() is None
    with pytest.raises(InputError, match="no longer there"):
        form.retrace({"batch": 1, "seq": 2})


def test_runs_at_numbers_know_nothing_of_it() -> None:
    """What is remembered between profiles is not shared: each has its own sizes."""
    model = Attention()
    for _ in range(2):
        form = flopsight.profile(model, ("batch", "seq", 8))
        at = {"batch": form.sizes["batch"], "seq": form.sizes["seq"], "last": 8}
        found = flopsight.profile(model, tuple(at.values()))
        assert type(found.macs) is int
        assert found.macs == form.at(batch=at["batch"], seq=at["seq"]).macs
        assert all(type(size) is int for op in found.operations for spec in op.outputs for size in spec.shape)


def test_it_prints_formulas_and_what_it_was_held_to(form, capsys) -> None:
    text = str(form)
    assert "MACs        16*batch*seq*(seq + 4)" in text
    assert "project" in text
    assert "(batch=3, seq=" in text
    assert main(["examples/gpt2.py:make", "--input", "batch,seq:int64"]) == 0
    printed = capsys.readouterr().out
    assert "batch*seq*(" in printed
    assert main(["examples/gpt2.py:make", "--input", "batch,seq:int64", "--csv"]) == 2
    assert "formulas" in capsys.readouterr().err


@pytest.mark.parametrize("option", [
    ("--top", "3"), ("--only", "p*"), ("--flat",), ("--latex",), ("--jsonl",), ("--speedscope",), ("--trace",),
])  # fmt: skip
def test_what_chooses_among_numbers_is_refused(form, tmp_path: Path, capsys, option: tuple[str, ...]) -> None:
    form.save(tmp_path / "form.json")
    assert main(["show", str(tmp_path / "form.json"), *option]) == 2
    assert f"{option[0]} is for numbers, and these are formulas" in capsys.readouterr().err


def test_functions_of_tensors_have_one_too() -> None:
    form = flopsight.profile(lambda x: F.conv1d(x, x.new_ones(4, 2, 5)), ("batch", 2, "height"))
    assert sympy.expand(form.macs - BATCH * 40 * (HEIGHT - 4)) == 0


def test_sizes_at_which_the_model_does_not_run_are_refused() -> None:
    model = nn.Sequential(nn.Conv2d(1, 1, 5), nn.MaxPool2d(3))
    form = flopsight.profile(model, (1, 1, "height", 16))
    assert form.at(height=7).macs == flopsight.profile(model, (1, 1, 7, 16)).macs
    with pytest.raises(FlopsightError):
        flopsight.profile(model, (1, 1, 6, 16))
    with pytest.raises(InputError, match="does not run at height=6"):
        form.at(height=6)


def test_sizes_may_be_integers_of_other_libraries(form) -> None:
    np = pytest.importorskip("numpy")
    assert form.at(batch=np.int64(3), seq=np.int32(7)).macs == 16 * 3 * 7 * 11


def test_a_drawing_has_the_shares_of_the_modules(form) -> None:
    pytest.importorskip("matplotlib")
    axes = form.plot("seq", range(1, 6), quantity="macs", batch=2)
    top = axes.collections[-1].get_paths()[0].vertices[:, 1].max()
    assert top == form.at(batch=2, seq=5).macs
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["project", "the rest"]
    with pytest.raises(InputError, match="Give a number for batch"):
        form.plot("seq", range(1, 6))
