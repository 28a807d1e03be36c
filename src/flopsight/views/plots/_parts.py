"""What drawings share: the quantity, its total as a title, and names that are shown as they are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flopsight import units
from flopsight.errors import InputError
from flopsight.record import Record
from flopsight.views import columns, summary
from flopsight.views.columns import Column, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes

AS_IS: dict[str, Any] = {"parse_math": False}
"""A dollar sign in a name begins no formula."""

REST = "the rest"
REST_COLOR = "0.75"

_BOUND = ">= "
_OF_BYTES = ("bytes", "read", "written")


def column(profile: Record, quantity: str | None) -> Column:
    """The column of a quantity; without one, of MACs, or of all operations in a model without MACs.

    Raises: InputError for a column that is no sum over the parts of a model.
    """
    if quantity is None:
        return columns.of_convention("macs" if profile.tally().macs else "exact")
    if quantity == "share":
        raise InputError("A drawing shows shares of a quantity; name that: quantity='macs'.")
    found = columns.get(quantity)
    if not found.is_number or quantity == "calls":
        raise InputError(f"The column {quantity!r} is no quantity that adds up; draw 'macs', 'operators' or 'params'.")
    return found


def text(of: Column, amount: float) -> str:
    """An amount of the quantity."""
    return (units.size if of.name in _OF_BYTES else units.count)(int(amount))


def tick(of: Column, amount: float) -> str:
    """The same in short, for an axis."""
    return (units.size if of.name in _OF_BYTES else units.count)(int(amount), 1)


def whole(profile: Record, of: Column) -> int:
    """The quantity of the whole profile."""
    amount: int = of.value(Row("", "", profile.tally(), params=profile.params))
    return amount


def name(axes: Axes, profile: Record, of: Column) -> None:
    """Say above the drawing what it is of, and that its total is a lower bound where it is one."""
    part = f", module {profile.root}" if profile.root else ""
    amount = text(of, whole(profile, of))
    said = of.title.removeprefix("bytes ") if of.name in _OF_BYTES else of.title
    bounded = of.text(Row("", "", profile.tally())).startswith(_BOUND)
    title = units.printable(f"{profile.model}{part}: {_BOUND if bounded else ''}{amount} {said}")
    axes.set_title(f"{title}\n{summary.lower_bound(profile)}" if bounded else title, **AS_IS)
