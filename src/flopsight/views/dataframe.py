"""Rows as a pandas DataFrame."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from flopsight.errors import MissingLibraryError
from flopsight.record import Record
from flopsight.views import table

if TYPE_CHECKING:
    import pandas as pd


def dataframe(profile: Record, **layout: Any) -> pd.DataFrame:
    """One row for each module or operator, whole numbers. layout: fields of a `flopsight.views.table.Layout`.

    Raises: MissingLibraryError.
    """
    columns, rows = table.flat(profile, **layout)
    return framed(columns, rows)


def framed(columns: Sequence[str], rows: Sequence[Sequence[Any]]) -> pd.DataFrame:
    """Rows under the names of their columns. Raises: MissingLibraryError."""
    try:
        import pandas as pd
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "A DataFrame needs the library pandas, which is not installed. Install it with: "
            'pip install "flopsight[dataframe]"'
        ) from error
    frame: pd.DataFrame = pd.DataFrame(rows, columns=list(columns))
    return frame
