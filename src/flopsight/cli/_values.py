"""Values of options, as text has them."""

from __future__ import annotations

import argparse
import json
import math
import re
from decimal import Decimal
from fractions import Fraction
from typing import Any, NamedTuple

from flopsight.cost import product
from flopsight.errors import InputError
from flopsight.units import shortened

_MOST_DIMENSIONS = 64
_DIGITS = 30  # of a size; one with more is larger than any tensor's, and Python refuses to read thousands
_UNITS = {"B": 1} | {
    f"{prefix}{unit}": base**power
    for base, unit in ((1024, "IB"), (1000, "B"))
    for power, prefix in enumerate("KMGTP", 1)
}
_MOST_ELEMENTS = 2**63 // 16  # PyTorch counts bytes in 64 bits, and an element takes up to 16


class Input(NamedTuple):
    """A tensor as given: the argument's name (empty for the next positional one), sizes, and dtype if given."""

    name: str
    sizes: tuple[int | str, ...]
    dtype: str | None


def positive(text: str) -> int:
    """A number of at least 1, as argparse wants it. Raises: ArgumentTypeError."""
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no number of at least 1")
    return int(text)


def image_size(text: str) -> tuple[int, int]:
    """A side, or height and width, as argparse wants it: `384` or `384x512`. Raises: ArgumentTypeError."""
    height, _, width = text.partition("x")
    if not all(side.isdecimal() and int(side) for side in (height, width or height)):
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no size of an image; write 384 or 384x512")
    return int(height), int(width or height)


def nbytes(text: str) -> int:
    """A size of memory, as argparse wants it: `80GiB`, `24GB`, `512 MiB` or a number of bytes.

    Raises: ArgumentTypeError.
    """
    read = re.fullmatch(rf"(\d{{1,{_DIGITS}}}(?:\.\d+)?) ?({'|'.join(_UNITS)})?", text, re.IGNORECASE)
    number = 0 if not read else int(Decimal(read[1]) * _UNITS[(read[2] or "B").upper()])
    if number < 1:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no size of memory; write 80GiB, 24GB or bytes")
    return number


def seconds(text: str) -> float:
    """A length of time, as argparse wants it: `30s` or `0.5`. Raises: ArgumentTypeError."""
    try:
        length = float(text.removesuffix("s"))
    except ValueError:
        length = 0.0
    if not 0 < length < math.inf:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no length in seconds; write 30s")
    return length


def read_input(text: str) -> Input:
    """What an `--input` says: `"ids=1,128:int64"` is `Input("ids", (1, 128), "int64")`. Raises: InputError."""
    name, equals, rest = text.rpartition("=")
    sizes, _, dtype = rest.partition(":")
    written = sizes.split("," if "," in sizes else "x")
    shape = tuple(
        size if size.isidentifier() else int(size) for size in written if size.isidentifier() or _is_size(size)
    )
    if len(shape) < len(written) or (equals and not name.isidentifier()):
        raise InputError(
            f"--input {shortened(text)!r} is no shape; write sizes, or names for them, and, if needed, a name and a "
            "dtype: ids=1,128:int64"
        )
    numbers = [size for size in shape if isinstance(size, int)]
    if len(shape) > _MOST_DIMENSIONS or product(size or 1 for size in numbers) > _MOST_ELEMENTS:
        raise InputError(
            f"--input {shortened(text)!r} is larger than a tensor can be, which has at most {_MOST_DIMENSIONS} "
            "dimensions and 2**63 bytes; give smaller sizes."
        )
    return Input(name, shape, dtype or None)


def _is_size(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= _DIGITS


def read_kwargs(text: str) -> dict[str, Any]:
    """What `--kwargs` says. Raises: InputError."""
    try:
        read = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"--kwargs {shortened(text)!r} is not JSON: {error}") from error
    if not isinstance(read, dict):
        raise InputError(
            f'--kwargs {shortened(text)!r} is no JSON object; write arguments by name: {{"use_cache": false}}'
        )
    return read


def amount(text: str) -> int:
    """A count, as argparse wants it: `4.1G`, `4.1e9`, `25_600_000`. Raises: ArgumentTypeError."""
    read = re.fullmatch(
        rf"(\d[\d_,]{{0,{_DIGITS}}}(?:\.\d{{1,{_DIGITS}}})?(?:[eE]\+?\d\d?)?) ?([kKMGTP]?)", text.strip()
    )
    if not read:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no count; write 4.1G, 4.1e9 or all digits")
    power = "kMGTP".index(read[2].replace("K", "k")) + 1 if read[2] else 0
    return int(Decimal(read[1].replace("_", "").replace(",", "")) * 1000**power)


def percentage(text: str) -> Fraction:
    """A part, as argparse wants it: `1%` or `0.01`. Raises: ArgumentTypeError."""
    read = re.fullmatch(rf"(\d{{1,{_DIGITS}}}(?:\.\d{{1,{_DIGITS}}})?) ?(%?)", text.strip())
    if not read:
        raise argparse.ArgumentTypeError(f"{shortened(text)!r} is no part; write 1% or 0.01")
    return Fraction(read[1]) / (100 if read[2] else 1)
