"""What is printed where the encoding of the output does not have a character, as that of `LC_ALL=C` may not."""

from __future__ import annotations

import codecs
from typing import Any

_ALIKE = str.maketrans({
    "─": "-", "━": "-", "…": "~", "◂": "<", "×": "x", "µ": "u", "·": "*", "→": ">", "−": "-",
    **dict.fromkeys("▏▎▍▁", " "), **dict.fromkeys("▌▋▊▉█▂▃▄▅▆▇", "#"),
})  # fmt: skip
_NAME = "flopsight.plain"


def allow(stream: Any) -> None:
    """Have a stream write a character that is alike, or else its code, in place of one that it cannot."""
    if hasattr(stream, "reconfigure"):  # a stream that someone put in place of the process's own may not have it
        codecs.register_error(_NAME, _alike)
        stream.reconfigure(errors=_NAME)


def _alike(error: UnicodeError) -> tuple[str, int]:
    """What stands for the characters that cannot be written, as `codecs.register_error` wants it."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    lost = error.object[error.start : error.end].translate(_ALIKE)
    return lost.encode("ascii", "backslashreplace").decode("ascii"), error.end
