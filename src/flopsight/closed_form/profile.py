"""`ClosedForm`: what a run costs at any sizes."""

from __future__ import annotations

import os
from dataclasses import dataclass
from html import escape
from pathlib import Path

from flopsight import saving
from flopsight.closed_form.form import Form
from flopsight.closed_form.saving import to_dict
from flopsight.closed_form.text import render


@dataclass(repr=False)
class ClosedForm(Form):
    """What a run costs at any sizes: a profile whose figures are SymPy expressions in the names of its sizes.

    `flopsight.profile` makes one where a shape has names for sizes, as `("batch", 3, "height", "width")`; `print` it.
    """

    def __str__(self) -> str:
        return render(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, formulas included (compressed if the name ends in `.gz`)."""
        saving.dump(to_dict(self), Path(path))
