from __future__ import annotations

import json
from pathlib import Path

import handmade
import pytest

from flopsight import baselines
from flopsight.analysis.budget import Baseline
from flopsight.errors import ProfileFormatError


def test_what_is_written_is_read_again(tmp_path: Path) -> None:
    made = {"a": Baseline.of(handmade.stack(2), baselines.FIGURES), "b é": Baseline({"macs": 0}, {})}
    baselines.write(tmp_path / "new" / "costs.json", made)
    assert baselines.read(tmp_path / "new" / "costs.json") == made
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["costs.json"]


def test_a_file_that_is_not_there_has_none(tmp_path: Path) -> None:
    assert baselines.read(tmp_path / "costs.json") == {}


@pytest.mark.parametrize(("text", "sentence"), [
    ("{", "holds no baselines: Expecting"), ("[]", "holds no baselines"), ('{"format": 1}', "holds no baselines"),
    ('{"baseline": 2, "costs": {}}', "Upgrade it with"), ('{"baseline": 1}', "is damaged"),
    ('{"baseline": 1, "costs": {"a": 1}}', "is damaged"),
    ('{"baseline": 1, "costs": {"a": {"total": {"macs": -1}, "modules": {}}}}', "is damaged"),
    ('{"baseline": 1, "costs": {"a": {"total": {"macs": "9"}, "modules": {}}}}', "is damaged"),
    ('{"baseline": 1, "costs": {"a": {"total": {}, "modules": {"x": [1]}}}}', "is damaged"),
])  # fmt: skip
def test_other_files_get_a_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    (tmp_path / "costs.json").write_text(text)
    with pytest.raises(ProfileFormatError, match=sentence):
        baselines.read(tmp_path / "costs.json")


def test_a_saved_profile_is_no_baseline(tmp_path: Path) -> None:
    handmade.stack().save(tmp_path / "p.json")
    with pytest.raises(ProfileFormatError, match="holds no baselines"):
        baselines.read(tmp_path / "p.json")


def test_what_is_zero_is_left_out(tmp_path: Path) -> None:
    baselines.write(tmp_path / "c.json", {"a": Baseline.of(handmade.classifier(), ("macs",))})
    written = json.loads((tmp_path / "c.json").read_text())["costs"]["a"]
    macs = handmade.M * handmade.K * handmade.N
    assert written == {"total": {"macs": macs}, "modules": {"fc": {"macs": macs}}}
