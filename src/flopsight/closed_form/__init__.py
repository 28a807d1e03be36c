"""Costs as closed forms in sizes that have names."""

from flopsight.closed_form.assumption import Assumption
from flopsight.closed_form.profile import ClosedForm

__all__ = ["Assumption", "ClosedForm"]
