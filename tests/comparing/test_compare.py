from __future__ import annotations

from pathlib import Path

import handmade
import pytest
from torch import nn

import flopsight
from flopsight.errors import InputError, ProfileFormatError

IN, OUT, BATCH = 4, 5, 3


def double() -> nn.Module:
    return nn.Sequential(nn.Linear(IN, OUT), nn.Linear(OUT, OUT))


def test_models_profiles_and_files_are_compared(tmp_path: Path) -> None:
    saved = tmp_path / "saved.json"
    flopsight.profile(double(), (BATCH, IN)).save(saved)
    made = flopsight.compare([nn.Linear(IN, OUT), handmade.classifier(), str(saved), saved], (BATCH, IN))
    assert [row.name for row in made.rows] == ["Linear", "Net", str(saved), f"{saved} (2)"]
    macs = [row.record.macs for row in made.rows]
    both = BATCH * (IN * OUT + OUT * OUT)
    assert macs == [BATCH * IN * OUT, handmade.M * handmade.K * handmade.N, both, both]


def test_a_dict_gives_names_and_options_hold_for_all() -> None:
    made = flopsight.compare({"one": nn.Linear(IN, OUT), "two": double()}, (BATCH, IN), backward=True)
    assert made["one"].record.macs == 2 * BATCH * IN * OUT  # forward, and the gradient of the weight
    assert made["two"].record.tally(phase="backward").calls


def test_one_that_fails_has_the_reason_and_the_others_their_figures() -> None:
    made = flopsight.compare([nn.Linear(IN + 1, OUT), nn.Linear(IN, OUT), "nowhere.py:Net", "no.json"], (BATCH, IN))
    assert [row.record is None for row in made.rows] == [True, False, True, True]
    assert "mat1 and mat2 shapes cannot be multiplied" in made.failed[0].reason
    assert "There is no file nowhere.py" in made.failed[1].reason
    assert "No such file" in made.failed[2].reason


def test_formulas_are_no_figures() -> None:
    form = flopsight.profile(nn.Linear(IN, OUT), ("batch", IN))
    assert "give a number for each size" in flopsight.compare([form]).failed[0].reason
    with pytest.raises(InputError, match=r"give the sizes: at\(batch=...\)"):
        flopsight.diff(form, form)


def test_mistakes_that_concern_all_are_refused() -> None:
    with pytest.raises(InputError, match="no column 'mac'"):
        flopsight.compare([nn.Linear(IN, OUT)], (BATCH, IN), columns=["mac"])
    with pytest.raises(TypeError, match="no argument bakward; there are"):
        flopsight.compare([nn.Linear(IN, OUT)], (BATCH, IN), bakward=True)
    with pytest.raises(InputError, match="no model to compare"):
        flopsight.compare([])


def test_what_changed_is_told_of_files(tmp_path: Path) -> None:
    handmade.stack(2).save(tmp_path / "old.json")
    handmade.stack(3).save(tmp_path / "new.json.gz")
    found = flopsight.diff(tmp_path / "old.json", str(tmp_path / "new.json.gz"))
    assert [change.side.path for change in found.changes] == ["layers.2"]
    (tmp_path / "broken.json").write_text('{"format": 99}')
    with pytest.raises(ProfileFormatError, match="has format 99"):
        flopsight.diff(tmp_path / "old.json", tmp_path / "broken.json")
    with pytest.raises(FileNotFoundError):
        flopsight.diff(tmp_path / "old.json", tmp_path / "nowhere.json")
