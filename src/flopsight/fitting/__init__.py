"""`fit`: whether a model fits into a memory, and what would, each answer from a run of the changed program."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn

from flopsight.analysis import fitting
from flopsight.analysis.fitting import Row, largest
from flopsight.errors import FlopsightError, InputError
from flopsight.fitting.inputs import BATCH, inputs_of
from flopsight.fitting.optimizers import named
from flopsight.fitting.program import Program, changed
from flopsight.profiles import Profile
from flopsight.tracing.constructs.compiled import original
from flopsight.tracing.training.optimizers import OptimizerOf

__all__ = ["BATCH", "Fit", "fit"]


class Fit(fitting.Fit):
    """What fits into a memory, and what does not; `print` it to read it."""

    def __str__(self) -> str:
        from flopsight.views.fitting import render

        return render(self)


def fit(
    model: nn.Module | Callable[[], nn.Module],
    inputs: Any = None,
    *,
    memory_bytes: int,
    batch: int = 1,
    kwargs: Any = None,
    backward: bool = False,
    loss: Callable[[Any], Any] | None = None,
    optimizer: str | OptimizerOf | None = None,
    micro_batches: int = 4,
    allocator: str | None = None,
    proposals: int | None = None,
) -> Fit:
    """Whether a call of a model, or a training step, fits into a memory, what would, and the largest batch that does.

    Each row is from runs of the changed program, without computing anything: peak memory at `batch` examples, and the
    largest batch that fits, with which one more example does not. The model is left as it was: what is changed is a
    copy without values.

    model: a module, or a function that makes one, which is then built without its weights.
    inputs, kwargs: as for `flopsight.profile`, with "batch" as the name of the size that is the number of examples
        (`("batch", 3, 224, 224)`), or as a function of it (`lambda batch: (batch, 3, 224, 224)`).
    memory_bytes: what there is.
    backward, loss, proposals: as for `flopsight.profile`; without `backward`, the forward runs without gradients.
    optimizer: a class, a function that makes one of the parameters, or a name: that of a class of torch.optim
        ("adamw"), "sgd-momentum" or "adamw-8bit".
    micro_batches: in how many parts the row with gradient accumulation runs a batch.
    allocator: "cuda" for the sizes that PyTorch's caching allocator takes on a GPU, without what kernels of a CPU take.

    Raises: InputError, ModelError, NeedsValuesError for the program as given; a changed one that fails says so in its
    row.
    """
    for name, count in (("memory_bytes", memory_bytes), ("batch", batch), ("micro_batches", micro_batches)):
        if type(count) is not int or count < 1:
            raise InputError(f"{name} is {count!r}; it is a number of at least 1.")
    if optimizer is not None and not backward:
        raise InputError("optimizer= belongs to a training step; pass backward=True too, or leave optimizer out.")
    module = _module(model)
    given = Program(module, inputs_of(module, inputs, kwargs), backward, loss, named(optimizer), proposals)
    record = given.run(batch)
    search = _Search(batch, memory_bytes, allocator)
    first = search.row("", 0, given, {batch: search.parts(record)})
    rows = [first]
    for name, changes, program in changed(given, micro_batches):
        try:
            rows.append(search.row(name, changes, program, {}))
        except FlopsightError as error:
            rows.append(Row(name, changes, batch, error=str(error)))
    step = _step(optimizer, backward=backward)
    return Fit(record.model, step, memory_bytes, batch, tuple(rows), tuple(record.notes))


def _module(model: Any) -> nn.Module:
    """The module itself, or the one that a function makes without its weights. Raises: InputError."""
    from flopsight.sources._weightless import build

    model = original(model)
    if not isinstance(model, nn.Module) and callable(model):
        model = build(model)
    if not isinstance(model, nn.Module):
        raise InputError(f"The model is {model!r}; give a torch.nn.Module, or a function that makes one.")
    return model


@dataclass(frozen=True)
class _Search:
    """What is asked of each program."""

    batch: int
    memory_bytes: int
    allocator: str | None

    def parts(self, record: Profile) -> Mapping[str, int]:
        """The parts of the peak of a run, by what they are kept for."""
        return record.memory_with(self.allocator).at_peak

    def row(self, name: str, changes: int, program: Program, known: dict[int, Mapping[str, int]]) -> Row:
        """The peak at the batch, rounded up to full micro-batches, and the largest batch that fits.

        known: parts of peaks, by the examples of one micro-batch.
        """
        parts = program.micro_batches
        first = -(-self.batch // parts)

        def peak_at(examples: int) -> int | None:
            try:
                known[examples] = known.get(examples) or self.parts(program.run(parts * examples))
            except FlopsightError:
                if examples == first:
                    raise
                return None
            return sum(known[examples].values())

        peak = peak_at(first)
        most, at_least = largest(peak_at, self.memory_bytes, first)
        return Row(name, changes, parts * first, peak, known[first], parts * most, at_least)


def _step(optimizer: Any, *, backward: bool) -> str:
    """What is run, in words."""
    if not backward:
        return "forward"
    if optimizer is None:
        return "forward and backward"
    of_a_name = optimizer.__name__ if inspect.isclass(optimizer) else optimizer
    return f"training step with {of_a_name if isinstance(of_a_name, str) else 'an optimizer'}"
