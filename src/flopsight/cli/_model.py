"""Options that say what to measure, and the run."""

from __future__ import annotations

import argparse
import json
import math
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple

from flopsight.cost import product
from flopsight.errors import InputError
from flopsight.units import printable, shortened

if TYPE_CHECKING:
    from flopsight.fitting import Fit
    from flopsight.generation import Generation
    from flopsight.profiles import Profile
    from flopsight.sources import Workload


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


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add MODEL and the options of a run."""
    add_workload(parser)
    parser.add_argument("--backward", action="store_true", help="count the backward pass too")
    parser.add_argument("--train", action="store_true", help="in training mode (otherwise in eval mode)")
    parser.add_argument("--execute", action="store_true", help="run on real tensors, where values decide what runs")
    parser.add_argument("--strict", action="store_true", help="fail if the cost of an operator is unknown")


def add_workload(parser: argparse.ArgumentParser) -> None:
    """Add MODEL and the options of its inputs."""
    parser.add_argument("model", metavar="MODEL", help="torchvision:NAME, timm:NAME, path/to/net.py:NAME, ...")
    parser.add_argument(
        "--input",
        action="append",
        default=[],
        metavar="[NAME=]SIZES[:DTYPE]",
        help="a tensor to call the model with, as 1,3,224,224 or ids=1,128:int64; once for each",
    )
    parser.add_argument(
        "--kwargs", default="{}", metavar="JSON", help="further arguments of forward, by name, as they are"
    )
    sizes = parser.add_argument_group("sizes of a model's own inputs", "of torchvision:, timm: and transformers:")
    sizes.add_argument("--batch", type=positive, metavar="N", help="examples at a time (default: 1)")
    sizes.add_argument("--seq", type=positive, metavar="N", help="tokens of text; placeholders of images come on top")
    sizes.add_argument("--image", type=image_size, metavar="N|HxW", help="height and width of images")
    sizes.add_argument("--audio", type=seconds, metavar="SECONDS", help="length of audio, as 30s")
    sizes.add_argument("--frames", type=positive, metavar="N", help="images of a video")
    parser.add_argument("--task", metavar="NAME", help="what for: causal-lm, classification, ... (transformers:)")
    parser.add_argument(
        "--proposals", type=positive, metavar="N", help="assume N boxes (elements) where values decide how many"
    )


def run_model(options: argparse.Namespace, *, memory: bool = False, optimizer: str | None = None) -> Profile:
    """Build the model and profile it. Raises: FlopsightError."""
    given = [read_input(text) for text in options.input]
    keywords = read_kwargs(options.kwargs)
    with _telling(f"Building {options.model}") as tell:
        from flopsight.sources import Sizes, resolve

        sizes = Sizes(options.batch, options.seq, options.image, options.audio, options.frames)
        workload = resolve(options.model, real=options.execute, train=options.train, sizes=sizes, task=options.task)
        tell(f"Measuring {workload.name}")
        from flopsight.tracing.optimizers import named
        from flopsight.tracing.tracer import profile

        args, kwargs = _arguments(workload, given, keywords)
        record = profile(
            workload.model,
            args,
            kwargs=kwargs,
            backward=options.backward,
            execute=options.execute,
            strict=options.strict,
            proposals=options.proposals,
            memory=memory,
            optimizer=None if optimizer is None else named(optimizer),
        )
        record.about["address"] = options.model
        return record


def run_fit(options: argparse.Namespace) -> Fit:
    """Build the model, and see what fits. Raises: FlopsightError."""
    given = [read_input(text) for text in options.input]
    keywords = read_kwargs(options.kwargs)
    with _telling(f"Building {options.model}") as tell:
        from flopsight.fitting import fit
        from flopsight.sources import Sizes, in_dtype, resolve

        def workload(batch: int | None) -> Workload:
            sizes = Sizes(batch, options.seq, options.image, options.audio, options.frames)
            return resolve(options.model, train=options.backward, sizes=sizes, task=options.task)

        first = workload(None)
        own = first.args is not None and all(item.name for item in given)

        @cache
        def arguments(batch: int) -> tuple[tuple[Any, ...], dict[str, Any]]:
            return _arguments(workload(batch) if own else first, _at(given, batch), keywords)

        tell(f"Measuring {first.name}")
        return fit(
            first.model if options.dtype is None else in_dtype(first.model, options.dtype),
            lambda batch: arguments(batch)[0],
            kwargs=lambda batch: arguments(batch)[1],
            memory_bytes=options.memory,
            batch=options.batch or 1,
            backward=options.backward,
            optimizer=options.optimizer,
            micro_batches=options.micro_batches,
            allocator=options.allocator,
            proposals=options.proposals,
        )


def _at(given: list[Input], batch: int) -> list[Input]:
    """The inputs with a number in place of the batch's name."""
    return [item._replace(sizes=tuple(batch if size == "batch" else size for size in item.sizes)) for item in given]


def run_generation(options: argparse.Namespace) -> Generation:
    """Build the model, and measure prompt and steps. Raises: FlopsightError."""
    given = [read_input(text) for text in options.input]
    with _telling(f"Building {options.model}") as tell:
        from flopsight.generation import profile_generate
        from flopsight.sources import in_dtype, resolve
        from flopsight.tracing.inputs import spec

        if nameless := [item for item in given if not item.name]:
            sizes = ",".join(map(str, nameless[0].sizes))
            raise InputError(f"--input {sizes} has no name; write that of the argument: pixel_values={sizes}")
        workload = resolve(options.model)
        model = in_dtype(workload.model, options.dtype)
        tell(f"Measuring {workload.name}")
        inputs = {item.name: spec(item.sizes, dtype=item.dtype) for item in given}
        return profile_generate(
            model, batch=options.batch, prompt=options.prompt, new_tokens=options.new, inputs=inputs
        )


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


def _arguments(
    workload: Workload, given: list[Input], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What to call the model with: what the user gave, over what the source knows."""
    from flopsight.tracing.inputs import plain, spec

    names = [item.name for item in given if item.name]
    for twice in names:
        if twice in keywords or names.count(twice) > 1:
            where = "in --input and in --kwargs" if twice in keywords else "by --input"
            raise InputError(f"The argument {twice!r} is given twice, {where}; give it once.")
    positional = tuple(spec(item.sizes, dtype=item.dtype) for item in given if not item.name)
    named = {item.name: spec(item.sizes, dtype=item.dtype) for item in given if item.name}
    keywords = {name: plain(value) if isinstance(value, list) else value for name, value in keywords.items()}
    if positional:
        return positional, {**named, **keywords}
    if workload.args is None and not named and not keywords:
        beside = f" beside {' and '.join(workload.kwargs)}, which it has" if workload.kwargs else ""
        raise InputError(
            f"{workload.name} needs inputs{beside}; give one for each argument of its forward: --input 1,3,224,224, or "
            "by name and with a dtype: --input ids=1,128:int64"
        )
    return workload.args or (), {**workload.kwargs, **named, **keywords}


@contextmanager
def _telling(first: str) -> Iterator[Any]:
    """A line on the terminal that says what is going on, where a person watches."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.markup import escape

    with Console(stderr=True).status(escape(printable(first))) as status:
        yield lambda text: status.update(escape(printable(text)))
