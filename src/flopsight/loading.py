"""`load`: profiles and closed forms from files."""

from __future__ import annotations

import os
from pathlib import Path

from flopsight import saving
from flopsight.closed_form import ClosedForm
from flopsight.closed_form import saving as closed_form
from flopsight.profiles import Profile


def load(path: str | os.PathLike[str]) -> Profile:
    """Read a saved profile or closed form; needs no torch. Raises: FileNotFoundError, ProfileFormatError."""
    data = saving.read(Path(path))
    if isinstance(data, dict) and closed_form.KEY in data:
        return ClosedForm(**closed_form.fields(data))
    return Profile(**saving.fields(data))
