"""The ways to run a request, the cheapest first, each tried where those before it do not do."""

from __future__ import annotations

from typing import Protocol
from weakref import WeakSet

from torch import nn

from flopsight.errors import ModelError
from flopsight.profiles import Profile
from flopsight.tracing.constructs.grad_mode import NeedsAutograd

_TRACKED: WeakSet[nn.Module] = WeakSet()
"""Modules that turned out to ask for gradients: they are run with autograd at once."""


class Trace(Protocol):
    """Makes a profile, without autograd or with it, integers given by shape with values on demand or `at_once`."""

    def __call__(self, *, below_autograd: bool, at_once: bool) -> Profile:
        """The profile of one run."""


def traced(trace: Trace, module: nn.Module | None, *, below_autograd: bool, at_once: bool) -> Profile:
    """The profile of a run: without autograd only if code that asks for gradients is not met.

    Code that fails may do so for want of gradients, or because it reads the memory of integers that have none: it is
    run again with both. Raises: what the last run raises.
    """
    below_autograd = below_autograd and module not in _TRACKED
    asked = False
    while True:
        try:
            record = trace(below_autograd=below_autograd, at_once=at_once)
        except NeedsAutograd:
            if not below_autograd:
                raise  # a run around this one is without autograd
            below_autograd, asked = False, True
        except ModelError:
            if at_once and not below_autograd:
                raise
            below_autograd, at_once = False, True
        else:
            if asked and module is not None:
                _TRACKED.add(module)
            return record
