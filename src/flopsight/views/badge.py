"""A badge for a README: what a budget found, green where it holds."""

from __future__ import annotations

from collections.abc import Sequence

from flopsight import units
from flopsight.analysis.budget import Outcome
from flopsight.errors import MissingLibraryError
from flopsight.views.budget import figure_text, figure_title, headline

_COLOURS = {True: "green", False: "red"}
_LABEL, _FAILED = "cost", "failed"


def badge(outcomes: Sequence[Outcome]) -> str:
    """An SVG: the first figure of the only budget, or how many of several hold. Raises: MissingLibraryError."""
    try:
        from anybadge import Badge
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "A badge needs the library anybadge, which is not installed. Install it with: "
            "pip install 'flopsight[badge]'"
        ) from error
    label, value = _texts(outcomes)
    colour = _COLOURS[all(outcome.holds for outcome in outcomes)]
    text: str = Badge(units.printable(label), units.printable(value), default_color=colour).badge_svg_text
    return text


def _texts(outcomes: Sequence[Outcome]) -> tuple[str, str]:
    if len(outcomes) > 1:
        return _LABEL, headline(outcomes)
    (only,) = outcomes
    if only.error:
        return _LABEL, _FAILED
    first = only.verdicts[0]
    return figure_title(first.quantity), ">= " * first.at_least + figure_text(first.quantity, first.found)
