"""`compare`: what several models cost, beside each other."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from flopsight.analysis import comparison
from flopsight.analysis.comparison import Compared
from flopsight.closed_form import ClosedForm
from flopsight.errors import FlopsightError, InputError, out_of_memory
from flopsight.loading import load
from flopsight.profiles import Profile
from flopsight.views.comparison import COLUMNS, chosen

if TYPE_CHECKING:
    import pandas as pd

_SAVED = (".json", ".json.gz")
_OPTIONS = ("kwargs", "backward", "execute", "strict", "proposals", "loss", "optimizer", "memory")


class Comparison(comparison.Comparison):
    """What several models cost, a row each; `print` it to read it."""

    def render(self, form: str = "text") -> str:
        """The table as `text`, `markdown`, `latex`, `csv` or `html`. Raises: InputError for another format."""
        from flopsight.views.comparison import render

        return render(self, form)

    def to_dataframe(self) -> pd.DataFrame:
        """A row for each model, whole numbers. Raises: MissingLibraryError where pandas is missing."""
        from flopsight.views.comparison import dataframe

        return dataframe(self)

    def __str__(self) -> str:
        return self.render()

    def _repr_html_(self) -> str:
        return self.render("html")


def compare(
    models: Iterable[Any] | Mapping[str, Any],
    inputs: Any = None,
    *,
    columns: Sequence[str] = COLUMNS,
    **options: Any,
) -> Comparison:
    """What several models cost, a row each, in the order of the models; `print` it to read it.

    models: addresses (`"torchvision:resnet50"`), profiles, paths of saved ones, and models or functions as
        `flopsight.profile` takes them; a dict gives them names.
    inputs: what every model is run on, as `flopsight.profile` takes them; None for what is known of each.
    columns: what is shown: columns of a table of modules, each convention among them.
    options: `backward`, `memory` and the others of `flopsight.profile`, for all that are run.

    A model that cannot be measured has the reason in its row. Raises: InputError where nothing can be compared.
    """
    chosen(tuple(columns))
    if unknown := options.keys() - set(_OPTIONS):
        raise TypeError(f"compare() has no argument {', '.join(sorted(unknown))}; there are {', '.join(_OPTIONS)}")
    named = models.items() if isinstance(models, Mapping) else [(None, model) for model in _several(models)]
    rows = []
    for name, model in named:
        found = compared(name or _name(model), partial(_measured, model, inputs, options))
        rows.append(found)
    return compared_rows(rows, columns)


def compared_rows(rows: Iterable[Compared], columns: Sequence[str] = COLUMNS) -> Comparison:
    """The comparison of rows that there are, each under a name of its own. Raises: InputError for none."""
    told: list[Compared] = []
    times: Counter[str] = Counter()
    for row in rows:
        times[row.name] += 1
        told.append(replace(row, name=f"{row.name} ({times[row.name]})") if times[row.name] > 1 else row)
    if not told:
        raise InputError("There is no model to compare; give at least one.")
    return Comparison(tuple(told), tuple(columns))


def compared(name: str, measure: Callable[[], Profile]) -> Compared:
    """The row of a model that is measured by calling a function; with the reason where that cannot be."""
    try:
        record = measure()
        if isinstance(record, ClosedForm):
            raise InputError("its figures are formulas, and these are numbers; give a number for each size")
    except (FlopsightError, OSError, MemoryError) as error:
        return Compared(name, None, "out of memory" if out_of_memory(error) else " ".join(str(error).split()))
    return Compared(name, record)


def is_saved(address: str) -> bool:
    """Whether an address is the path of a saved profile."""
    return address.endswith(_SAVED) and ":" not in Path(address).name


def _several(models: Iterable[Any]) -> list[Any]:
    return (
        [models]
        if isinstance(models, (str, os.PathLike, Profile)) or not isinstance(models, Iterable)
        else list(models)
    )


def _name(model: Any) -> str:
    if isinstance(model, Profile):
        return str(model.about.get("address", model.model))
    if isinstance(model, (str, os.PathLike)):
        return str(model)
    return str(getattr(model, "__qualname__", type(model).__qualname__))


def _measured(model: Any, inputs: Any, options: Mapping[str, Any]) -> Profile:
    if isinstance(model, Profile):
        return model
    if isinstance(model, os.PathLike) or (isinstance(model, str) and is_saved(model)):
        return load(model)
    from flopsight.tracing.tracer import profile

    if not isinstance(model, str):
        return profile(model, inputs, **options)
    from flopsight.sources import resolve

    workload = resolve(model, train=bool(options.get("backward")))
    if inputs is None and workload.args is None and not options.get("kwargs"):
        raise workload.lacks()
    given = workload.args if inputs is None else inputs
    kwargs = {**(workload.kwargs if inputs is None else {}), **(options.get("kwargs") or {})}
    with workload.doubted():
        return profile(workload.model, given, **{**options, "kwargs": kwargs})
