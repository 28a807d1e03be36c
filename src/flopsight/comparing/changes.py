"""`diff`: what changed from one profile to another."""

from __future__ import annotations

import os
from collections.abc import Sequence

from flopsight.analysis import diff as analysis
from flopsight.closed_form import ClosedForm
from flopsight.errors import InputError
from flopsight.loading import load
from flopsight.profiles import Profile


class Diff(analysis.Diff):
    """What changed from one profile to another; `print` it to read it."""

    def render(self, form: str = "text", *, columns: Sequence[str] = ("macs", "params"), top: int | None = None) -> str:
        """The totals and the changes as `text`, `markdown`, `latex`, `csv` or `html`.

        columns: the figures of each change, largest first by the first of them. top: how many to list; None for all.
        Raises: InputError.
        """
        from flopsight.views.diff import render

        return render(self, form, columns=columns, top=top)

    def __str__(self) -> str:
        from flopsight.views.diff import TOP

        return self.render(top=TOP)

    def _repr_html_(self) -> str:
        return self.render("html")


def diff(old: Profile | str | os.PathLike[str], new: Profile | str | os.PathLike[str]) -> Diff:
    """What changed from one profile to another, module by module; `print` it to read it. Needs no PyTorch.

    Modules are matched by path and class. One that is equal under another path (class, parameters, shapes and work,
    with all below it) is renamed; what is left was added or removed. Each change is of what the module does and holds
    itself, so that they add up to the difference of the totals.

    old, new: profiles, or the paths of saved ones. Raises: FileNotFoundError, ProfileFormatError, InputError for closed
    forms.
    """
    return Diff(**vars(analysis.diff(_profile(old), _profile(new))))


def _profile(given: Profile | str | os.PathLike[str]) -> Profile:
    found = given if isinstance(given, Profile) else load(given)
    if isinstance(found, ClosedForm):
        sizes = ", ".join(f"{name}=..." for name in found.sizes)
        raise InputError(
            f"What changed is told in numbers, and {found.model} has formulas; give the sizes: at({sizes})"
        )
    return found
