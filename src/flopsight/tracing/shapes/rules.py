"""The table of shape rules, and how one is declared and asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from flopsight.tracing.metadata import Metadata

Result = Any  # Metadata, a tuple of them, or None where the rule does not apply


class Mismatch(RuntimeError):
    """Shapes or dtypes that do not fit, in the words of PyTorch's own kernel."""


RULES: dict[str, Callable[..., Result]] = {}


def rule(*operators: str) -> Callable[[Callable[..., Result]], Callable[..., Result]]:
    """Declare the decorated function as the shape rule of `operators`."""

    def declare(function: Callable[..., Result]) -> Callable[..., Result]:
        for operator in operators:
            RULES[operator] = function
        return function

    return declare


def result(operator: str, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Result:
    """The result of `namespace::name` on arguments with `Metadata` for tensors, or None where no rule applies."""
    found = RULES.get(operator) or RULES.get(operator.removesuffix("_"))
    if found is None:
        return None
    try:
        made = found(*args, **kwargs)
        in_place = operator.endswith("_") and isinstance(made, Metadata)
        return _written(args[0], made) if in_place else made
    except Mismatch as error:
        raise RuntimeError(*error.args) from None
    except (TypeError, ValueError, IndexError, AttributeError, RuntimeError, ZeroDivisionError):
        return None


def _written(target: Metadata, made: Metadata) -> Result:
    """What an operator hands back that writes `made` to `target`: the target, where that fits."""
    return target if (made.shape, made.dtype) == (target.shape, target.dtype) else None
