"""The only place where numbers become text, and where text of others is made fit to print."""

from __future__ import annotations

_SI = ((10**15, "P"), (10**12, "T"), (10**9, "G"), (10**6, "M"), (10**3, "k"))
_PARTS = ((1.0, "s"), (1e-3, "ms"), (1e-6, "µs"), (1e-9, "ns"))
_LEAST_PERCENT = 0.05
_BINARY = ((2**40, "TiB"), (2**30, "GiB"), (2**20, "MiB"), (2**10, "KiB"))


def printable(text: str) -> str:
    """A text on one line without codes that a terminal obeys: each such character as Python would write it.

    Names of modules, classes and operators come from whoever wrote the model or the file.
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def shortened(text: str, most: int = 60) -> str:
    """The text's beginning, with dots in place of the rest if it is longer than `most`."""
    return text if len(text) <= most else f"{text[:most]}..."


def count(number: int, digits: int = 3) -> str:
    """A count with an SI prefix: `count(4089184256)` is `'4.089 G'`."""
    for factor, prefix in _SI:
        if abs(number) >= factor:
            return f"{number / factor:.{digits}f} {prefix}"
    return str(number)


def exact(number: int) -> str:
    """A count with every digit: `exact(4089184256)` is `'4,089,184,256'`."""
    return f"{number:,}"


def plural(number: int, word: str) -> str:
    """A number of things: `plural(2, "call")` is `'2 calls'`."""
    return f"{exact(number)} {word}{'' if number == 1 else 's'}"


def difference(number: int) -> str:
    """A difference with every digit and its sign: `difference(-2048)` is `'-2,048'`; none is `'0'`."""
    return f"{number:+,}" if number else "0"


def change(old: int, new: int) -> str:
    """A difference with its sign, and as a percentage of what it was: `change(4000, 5000)` is `'+1.000 k (+25.0%)'`."""
    apart = f"{'+' if new > old else ''}{count(new - old)}"
    return f"{apart} ({percentage(old, new)})" if old and new != old else apart


def percentage(old: int, new: int) -> str:
    """A difference as a percentage of what it was: `percentage(4, 5)` is `'+25.0%'`; from nothing, `'-'`."""
    if not old:
        return "-" if new else "0.0%"
    percent = 100 * (new - old) / old
    if new != old and abs(percent) < _LEAST_PERCENT:
        return f"{'+' if percent > 0 else '-'}<0.1%"
    return f"{percent:+,.1f}%" if percent else "0.0%"


def size(number_bytes: int, digits: int = 2) -> str:
    """A number of bytes with a binary prefix: `size(2048)` is `'2.00 KiB'`."""
    for factor, unit in _BINARY:
        if abs(number_bytes) >= factor:
            return f"{number_bytes / factor:.{digits}f} {unit}"
    return f"{number_bytes} B"


def time(seconds: float) -> str:
    """A length of time: `time(0.00415)` is `'4.15 ms'`; none is `'0'`."""
    for factor, unit in _PARTS:
        if seconds >= factor:
            return f"{seconds / factor:.3g} {unit}" if seconds < 1000 else f"{seconds:,.0f} s"
    return f"{seconds / 1e-9:.2g} ns" if seconds else "0"


def rate(per_s: float, unit: str = "") -> str:
    """So many a second, with an SI prefix: `rate(3.35e12, "B")` is `'3.35 TB/s'`."""
    for factor, prefix in _SI:
        if per_s >= factor:
            return f"{per_s / factor:,.4g} {prefix}{unit}/s"
    return f"{per_s:,.4g} {unit}/s"


def ratio(number: float) -> str:
    """A quotient to one digit after the point: `ratio(12.345)` is `'12.3'`; without end, `'-'`."""
    return "-" if number == float("inf") else f"{number:,.1f}"


def share(part: float, whole: float) -> str:
    """A part as a percentage: `share(1, 4)` is `'25.0%'`; of nothing, `'-'`."""
    return f"{100 * part / whole:.1f}%" if whole else "-"


def shape(sizes: tuple[int, ...]) -> str:
    """A tensor shape: `shape((1, 3, 224, 224))` is `'1x3x224x224'`; of a scalar, `'scalar'`."""
    return "x".join(map(str, sizes)) or "scalar"
