"""The user's own autocast: what it casts inside composite operators, and its store of cast weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import cache
from itertools import filterfalse

import torch

_KEYS = {
    device: key
    for device, key in {
        "cpu": "AutocastCPU",
        "cuda": "AutocastCUDA",
        "xpu": "AutocastXPU",
        "mps": "AutocastMPS",
    }.items()
    if hasattr(torch._C.DispatchKey, key)
}
"""Names of dispatch keys of autocast by type of device."""


def is_on() -> bool:
    """Whether autocast was on where the operator was called: it is off while a dispatch mode handles one."""
    with torch._C._RestorePythonTLSSnapshot():  # type: ignore[attr-defined]
        return torch._C._is_any_autocast_enabled()


def _devices_on() -> list[str]:
    with torch._C._RestorePythonTLSSnapshot():  # type: ignore[attr-defined]
        return [device for device in _KEYS if torch.is_autocast_enabled(device)]


@cache
def casts_whole(operator: str, key: str) -> bool:
    """Whether autocast casts the arguments of an operator, and then nothing inside it."""
    return bool(torch._C._dispatch_has_kernel_for_dispatch_key(operator, key))


def casts_inside(operator: str) -> bool:
    """Whether on some device autocast casts inside an operator: what it is made of then depends on autocast."""
    return not all(casts_whole(operator, key) for key in _KEYS.values())


_UNCAST = ("batch_norm", "contiguous", "dropout", "flatten.using_ints", "reshape", "to.device", "to.dtype")
_CAST_WHOLE = ("conv2d", "linear", "matmul", "scaled_dot_product_attention")
NOTHING_TO_CAST = {
    *map("aten::{}".format, _UNCAST),
    *filterfalse(casts_inside, map("aten::{}".format, _CAST_WHOLE)),
}
"""Frequent composite operators inside which autocast finds nothing to cast: they need not ask for its state."""


class Casts:
    """What autocast has still to cast: not what is part of an operator whose arguments it has cast.

    PyTorch turns autocast off before a dispatch mode sees an operator: it has to be turned on again for the parts.
    """

    def __init__(self) -> None:
        self._done: frozenset[str] = frozenset()

    @contextmanager
    def inside(self, operator: str) -> Iterator[None]:
        """For the parts of that operator, autocast is as the user has it."""
        done = self._done
        with ExitStack() as stack:
            for key in map(_KEYS.__getitem__, _devices_on()):
                if casts_whole(operator, key):
                    self._done |= {key}
                elif key not in done:
                    stack.enter_context(torch._C._SetExcludeDispatchKeyGuard(getattr(torch._C.DispatchKey, key), False))
            try:
                yield
            finally:
                self._done = done


@contextmanager
def cleared_store() -> Iterator[None]:
    """Autocast keeps cast weights until the user's block ends: none from before is used, none from inside is left."""
    torch.clear_autocast_cache()
    try:
        yield
    finally:
        torch.clear_autocast_cache()
