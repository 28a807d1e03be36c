"""`ClosedForm`: what a run costs at any sizes."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from flopsight import saving
from flopsight.closed_form.form import Form
from flopsight.conventions import Convention
from flopsight.errors import InputError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from flopsight.devices import Device


@dataclass(repr=False)
class ClosedForm(Form):
    """What a run costs at any sizes: a profile whose figures are SymPy expressions in the names of its sizes.

    `flopsight.profile` makes one where a shape has names for sizes, as `("batch", 3, "height", "width")`; `print` it.
    """

    def __str__(self) -> str:
        from flopsight.closed_form.text import render

        return render(self)

    def _repr_html_(self) -> str:
        return f"<pre>{escape(str(self))}</pre>"

    def to_dict(self) -> dict[str, Any]:
        """The closed form as plain values; `flopsight.closed_form.saving` documents the schema."""
        from flopsight.closed_form.saving import to_dict

        return to_dict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ClosedForm:
        """The closed form that `to_dict` gave. Raises: ProfileFormatError."""
        from flopsight.closed_form.saving import fields

        return cls(**fields(data))

    def to_dataframe(self, **layout: Any) -> NoReturn:
        """Of numbers only: `at(...).to_dataframe()`. Raises: InputError."""
        raise self._needs_numbers("A data frame")

    def report(self, path: str | os.PathLike[str], **options: Any) -> NoReturn:
        """Of numbers only: `at(...).report(path)`. Raises: InputError."""
        raise self._needs_numbers("A report")

    def explain(self, *conventions: str | Convention, phase: str | None = None) -> NoReturn:
        """Of numbers only: `at(...).explain(...)`. Raises: InputError."""
        raise self._needs_numbers("An explanation")

    def roofline(self, device: str | Device, **options: Any) -> NoReturn:
        """Of numbers only: `at(...).roofline(...)`. Raises: InputError."""
        raise self._needs_numbers("A time")

    def mfu(self, seconds: float, device: str | Device, **options: Any) -> NoReturn:
        """Of numbers only: `at(...).mfu(...)`. Raises: InputError."""
        raise self._needs_numbers("A utilisation")

    def render(self, view: str, **layout: Any) -> NoReturn:
        """Of numbers only: `at(...).render(...)`. Raises: InputError."""
        raise self._needs_numbers("A table")

    def log_to(self, logger: Any, *, step: int | None = None, name: str = "cost") -> NoReturn:
        """Of numbers only: `at(...).log_to(...)`. Raises: InputError."""
        raise self._needs_numbers("A log")

    def plot(  # type: ignore[override]  # of formulas, it is how they grow that is drawn
        self, name: str, sizes: Sequence[int], *, quantity: str = "flops", **known: int
    ) -> Axes:
        """A quantity against a size, with the shares of the largest modules: `plot("seq", range(1, 4097), batch=1)`.

        Returns the axes of a matplotlib figure (`.figure.savefig(path)`). Raises: InputError, MissingLibraryError.
        """
        from flopsight.closed_form.plot import plot

        self._check({name: 1, **known})
        return plot(self, name, sizes, known, quantity)

    def _needs_numbers(self, what: str) -> InputError:
        sizes = ", ".join(f"{name}=..." for name in self.sizes)
        return InputError(f"{what} is made of numbers, and these are formulas; give the sizes: profile.at({sizes})")

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, formulas included (compressed if the name ends in `.gz`)."""
        saving.dump(self.to_dict(), Path(path))
