"""What a sweep says of each model, and tables of it: CSV, JSON, JSON lines, Markdown."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

from flopsight import units
from flopsight.errors import InputError
from flopsight.record import Record
from flopsight.views import grid
from flopsight.views.grid import Grid

COUNTED, UNKNOWN, FAILED = "counted", "unknown operators", "failed"
TIMED_OUT, OUT_OF_MEMORY, DIED = "timed out", "out of memory", "worker died"


@dataclass(frozen=True)
class Row:
    """What a model costs, or why that is not known. Rows of the same figures are equal, however long they took.

    name: the model's address or name. status: `counted`, `unknown operators` (the figures are lower bounds), `failed`,
    `timed out`, `out of memory` or `worker died`. reason: why it is not `counted`. params: parameter elements.
    macs, flops: of contractions, as in `flopsight.Profile`. activations: elements that operators with
    multiply-accumulates (convolutions, matrix products, attention) return, each time they are called. build_s,
    count_s: seconds for making the model and for counting. Figures are None where there are none.
    """

    name: str
    status: str
    reason: str = ""
    params: int | None = None
    macs: int | None = None
    flops: int | None = None
    activations: int | None = None
    build_s: float | None = field(default=None, compare=False)
    count_s: float | None = field(default=None, compare=False)

    @classmethod
    def of(cls, name: str, record: Record, *, build_s: float, count_s: float) -> Row:
        """The row of a model that could be run."""
        return cls(
            name=name,
            status=UNKNOWN if record.unknown else COUNTED,
            reason=", ".join(sorted(record.unknown)) or _assumed(record),
            params=int(record.params),
            macs=record.macs,
            flops=record.flops,
            activations=activations(record),
            build_s=round(build_s, 4),
            count_s=round(count_s, 4),
        )


def _assumed(record: Record) -> str:
    """What the figures assume of values, without the place."""
    taken = [note for note in record.notes if "elements are taken" in note]
    return f"assumes that {taken[0].partition(' where ')[0]} where values decide how many" if taken else ""


def activations(record: Record) -> int:
    """Elements of the results of the forward's contractions, as in Radosavovic et al. 2020, section 3.2.

    An operator's result is its first output: the others are statistics (of attention) or a last state (of an LSTM).
    """
    calls = record.tally(phase="forward").counts.items()
    return sum(times * op.outputs[0].numel for op, times in calls if op.cost is not None and op.cost.macs)


NAMES = [each.name for each in fields(Row)]
_NUMBERS = NAMES[3:]


def summary(rows: Sequence[Row]) -> list[str]:
    """How many were counted, and what became of the rest, by status and reason, most frequent first."""
    counted = sum(row.status == COUNTED for row in rows)
    lines = [f"{units.exact(counted)} of {units.exact(len(rows))} models counted"]
    causes = Counter((row.status, row.reason) for row in rows if row.status != COUNTED)
    for (status, reason), times in causes.most_common():
        names = [row.name for row in rows if (row.status, row.reason) == (status, reason)]
        whose = names[0] if times == 1 else f"{units.exact(times)} models, {names[0]} the first"
        lines.append(f"{status}: {whose}: {reason}")
    return [units.printable(text) for text in lines]


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the table in the form that the name's ending says, all at once. Raises: InputError."""
    render = form(path)
    beside = path.with_name(f"{path.name}.new")
    try:
        beside.write_text(render(rows), encoding="utf-8")
        beside.replace(path)
    except OSError as error:
        raise InputError(f"{path} cannot be written: {error.strerror}.") from error


def form(path: Path) -> Callable[[Sequence[Row]], str]:
    """What makes the text of a file of that name. Raises: InputError."""
    if path.suffix not in _FORMS:
        raise InputError(f"The table {path} is of no known form; end its name in one of {', '.join(_FORMS)}.")
    if not path.resolve().parent.is_dir():
        raise InputError(f"{path} cannot be written: there is no folder {path.parent}.")
    return _FORMS[path.suffix]


def _grid(rows: Sequence[Row]) -> Grid:
    values = [list(asdict(row).values()) for row in rows]
    numbers = frozenset(map(NAMES.index, _NUMBERS))
    return Grid("", NAMES, numbers, [list(map(_text, row)) for row in values], NAMES, values)


def _text(value: str | float | None) -> str:
    if isinstance(value, int):
        return units.exact(value)
    return "" if value is None else str(value)


_FORMS: dict[str, Callable[[Sequence[Row]], str]] = {
    ".csv": lambda rows: grid.csv(_grid(rows)),
    ".json": lambda rows: json.dumps([asdict(row) for row in rows], indent=1) + "\n",
    ".jsonl": lambda rows: "".join(f"{json.dumps(asdict(row))}\n" for row in rows),
    ".md": lambda rows: grid.markdown(_grid(rows)),
}
