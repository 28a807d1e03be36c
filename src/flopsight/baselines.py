"""Baselines: what models cost before, as a small JSON file to be kept with the code and read in its diffs.

    flopsight   the version that wrote the file          baseline    1, the version of this form
    costs       {name: {"total": {figure: count}, "modules": {path: {figure: count}}}}

A module has what it does and holds itself; what is 0 is left out.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from flopsight.analysis.budget import Baseline
from flopsight.errors import ProfileFormatError
from flopsight.saving import read as read_json

FORM = 1
FIGURES = ("macs", "flops", "exact", "params")
"""What a baseline holds of every profile."""


def read(path: Path) -> dict[str, Baseline]:
    """The baselines of a file, by name; none where there is no file. Raises: ProfileFormatError, OSError."""
    try:
        data = read_json(path)
    except FileNotFoundError:
        return {}
    except ProfileFormatError as error:
        raise ProfileFormatError(f"{path} holds no baselines: {error.__cause__}. Write it anew.") from error
    form = data.get("baseline") if isinstance(data, dict) else None
    if type(form) is not int:
        raise ProfileFormatError(f"{path} holds no baselines: it has no 'baseline'. Write it anew.")
    if form > FORM:
        raise ProfileFormatError(
            f"{path} holds baselines of form {form}, and this flopsight reads up to {FORM}. Upgrade it with: "
            "pip install --upgrade flopsight"
        )
    costs = data.get("costs")
    if not isinstance(costs, dict) or not all(map(_is_baseline, costs.values())):
        raise ProfileFormatError(f"{path} is damaged: its 'costs' are not as flopsight writes them. Write it anew.")
    return {name: Baseline(cost["total"], cost["modules"]) for name, cost in costs.items()}


def write(path: Path, baselines: Mapping[str, Baseline]) -> None:
    """Write a file of baselines, all at once. Raises: OSError."""
    from flopsight import __version__

    costs = {name: {"total": dict(each.totals), "modules": dict(each.modules)} for name, each in baselines.items()}
    text = json.dumps({"flopsight": __version__, "baseline": FORM, "costs": costs}, indent=1) + "\n"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.{os.getpid()}.new")
    beside.write_text(text, encoding="utf-8")
    beside.replace(path)


def _is_baseline(cost: Any) -> bool:
    if not isinstance(cost, dict) or cost.keys() != {"total", "modules"} or not isinstance(cost["modules"], dict):
        return False
    return all(map(_are_figures, (cost["total"], *cost["modules"].values())))


def _are_figures(figures: Any) -> bool:
    return isinstance(figures, dict) and all(type(value) is int and value >= 0 for value in figures.values())
