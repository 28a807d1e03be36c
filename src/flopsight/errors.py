"""Everything flopsight raises on purpose.

FlopsightError
├── InputError (ValueError)                 the model or its inputs cannot be used as given
├── ModelError (RuntimeError)               the model's own forward or backward raised; the original is the cause
├── NeedsValuesError (RuntimeError)         control flow depends on values that a run without computing does not have
├── UnknownOperatorError (LookupError)      strict=True, and an operator has no formula
├── FormulaError (ValueError)               a rule for an operator is wrong
├── ConventionError (LookupError)           no convention of that name
├── DeviceError (LookupError)               no device of that name, or it has no rate for a dtype
├── MissingLibraryError (ImportError)       an optional library is needed
└── ProfileFormatError (ValueError)         a file is not a saved profile

StandInWarning (UserWarning)                a tensor without values outlives the profile that made it

Each message says what was given, what was seen, and what to do next.
"""

from __future__ import annotations


class FlopsightError(Exception):
    """Base of every error flopsight raises on purpose."""


class InputError(FlopsightError, ValueError):
    """The model or its inputs cannot be used as given."""


class ModelError(FlopsightError, RuntimeError):
    """The model's own code raised; the original exception is the `__cause__`."""


class NeedsValuesError(FlopsightError, RuntimeError):
    """The model's control flow needs the values of a tensor, which a run without computing does not have."""


class UnknownOperatorError(FlopsightError, LookupError):
    """`strict=True`, and operators without a formula were run."""


class FormulaError(FlopsightError, ValueError):
    """A rule for an operator is wrong: registered twice, wrong names, or no `Cost` returned."""


class ConventionError(FlopsightError, LookupError):
    """There is no convention of that name."""


class DeviceError(FlopsightError, LookupError):
    """There is no device of that name, its description is wrong, or it has no rate for a dtype."""


class MissingLibraryError(FlopsightError, ImportError):
    """An optional library is needed and not installed."""


class ProfileFormatError(FlopsightError, ValueError):
    """The file is not a saved profile, or one of a newer flopsight."""


class StandInWarning(UserWarning):
    """A tensor without values outlives the profile that made it, where it may break what is run later."""


def near(name: str, known: list[str]) -> str:
    """`" Did you mean 'a' or 'b'?"` for the known names nearest to `name`, else an empty string."""
    import difflib

    matches = difflib.get_close_matches(name, known, n=3, cutoff=0.5)
    return f" Did you mean {' or '.join(map(repr, matches))}?" if matches else ""


def out_of_memory(error: BaseException | None) -> bool:
    """Whether an error, or one that led to it, says that memory ran out."""
    if error is None:
        return False
    text = str(error).lower()
    told = isinstance(error, MemoryError) or any(words in text for words in _OUT_OF_MEMORY)
    return told or out_of_memory(error.__cause__)


_OUT_OF_MEMORY = ("can't allocate memory", "cannot allocate memory", "out of memory", "bad_alloc")
