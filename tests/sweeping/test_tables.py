"""What docs/zoo.md says of the tables is what they hold."""

from __future__ import annotations

import csv
import re
from collections import Counter
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
REASONS = {
    "could not be built": r"could not be built",
    "no model of its own": r"no model that runs on a \w+ alone",
    "no forward": r"has no forward",
    "inputs not known": r"needs inputs",
    "rejected by its own code": r"^ModelError",
    "values needed": r"^NeedsValuesError",
}


def why(row: dict[str, str]) -> str:
    if row["status"] != "failed":
        return row["status"]
    return next((name for name, pattern in REASONS.items() if re.search(pattern, row["reason"])), row["reason"])


def test_the_figures_of_transformers_are_those_of_its_table() -> None:
    with (DOCS / "zoo-transformers.csv").open(encoding="utf-8", newline="") as file:
        held = Counter(map(why, csv.DictReader(file)))
    page = (DOCS / "zoo.md").read_text(encoding="utf-8")
    told = {name: int(count) for name, count in re.findall(r"^\| ([a-z ]+) \| (\d+) \|", page, re.MULTILINE)}
    assert told == held
    built = held.total() - held["could not be built"] - held["no model of its own"]
    able = built - held["rejected by its own code"] - held["no forward"]
    assert f"{held.total()} model types, {built} build" in page
    assert f"{held['counted'] / built:.1%} of them are counted" in page
    assert f"{held['counted'] / able:.1%} of the {able}" in page
