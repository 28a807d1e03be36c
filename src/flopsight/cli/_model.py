"""Options that say what to measure, and the run."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Any

from flopsight.cli import _values
from flopsight.errors import InputError
from flopsight.units import printable

if TYPE_CHECKING:
    from flopsight.devices import Device
    from flopsight.fitting import Fit
    from flopsight.generation import Generation
    from flopsight.measuring import Measurement
    from flopsight.profiles import Profile
    from flopsight.sources import Workload


def add_model(parser: argparse.ArgumentParser) -> None:
    """Add MODEL and the options of a run without values."""
    _add_address(parser)
    add_run(parser)


def add_run(parser: argparse.ArgumentParser) -> None:
    """Add the options of a run without values."""
    _add_inputs(parser)
    add_passes(parser)
    parser.add_argument("--execute", action="store_true", help="run on real tensors, where values decide what runs")
    add_proposals(parser)
    parser.add_argument("--strict", action="store_true", help="fail if the cost of an operator is unknown")


def add_workload(parser: argparse.ArgumentParser) -> None:
    """Add MODEL and the options that say what to call it with."""
    _add_address(parser)
    _add_inputs(parser)


def _add_address(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("model", metavar="MODEL", help="torchvision:NAME, timm:NAME, path/to/net.py:NAME, ...")


def _add_inputs(parser: argparse.ArgumentParser) -> None:
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
    sizes.add_argument("--batch", type=_values.positive, metavar="N", help="examples at a time (default: 1)")
    sizes.add_argument(
        "--seq", type=_values.positive, metavar="N", help="tokens of text; placeholders of images come on top"
    )
    add_media(sizes)
    parser.add_argument("--task", metavar="NAME", help="what for: causal-lm, classification, ... (transformers:)")


def add_proposals(parser: argparse.ArgumentParser) -> None:
    """Add the option that says how many elements values leave."""
    parser.add_argument(
        "--proposals", type=_values.positive, metavar="N", help="assume N boxes (elements) where values decide how many"
    )


def add_media(sizes: Any) -> None:
    """Add the sizes of what is not text."""
    sizes.add_argument("--image", type=_values.image_size, metavar="N|HxW", help="height and width of images")
    sizes.add_argument("--audio", type=_values.seconds, metavar="SECONDS", help="length of audio, as 30s")
    sizes.add_argument("--frames", type=_values.positive, metavar="N", help="images of a video")


def add_passes(parser: argparse.ArgumentParser) -> None:
    """Add the options of training."""
    parser.add_argument("--backward", action="store_true", help="count the backward pass too")
    parser.add_argument("--train", action="store_true", help="in training mode (otherwise in eval mode)")


def check(options: argparse.Namespace) -> None:
    """Find mistakes in the inputs before a model is built. Raises: InputError."""
    for text in options.input:
        _values.read_input(text)
    _values.read_kwargs(options.kwargs)


def run_model(options: argparse.Namespace, *, memory: bool = False, optimizer: str | None = None) -> Profile:
    """Build the model and profile it. Raises: FlopsightError."""
    with _built(options, real=options.execute) as (workload, args, kwargs):
        from flopsight.fitting.optimizers import named
        from flopsight.tracing.tracer import profile

        with workload.doubted():
            record = profile(
                workload.model,
                args,
                kwargs=kwargs,
                backward=options.backward,
                execute=options.execute,
                strict=options.strict,
                proposals=options.proposals,
                memory=memory,
                optimizer=named(optimizer),
            )
        record.about["address"] = options.model
        return record


def run_fit(options: argparse.Namespace) -> Fit:
    """Build the model, and see what fits. Raises: FlopsightError."""
    given = [_values.read_input(text) for text in options.input]
    keywords = _values.read_kwargs(options.kwargs)
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


def _at(given: list[_values.Input], batch: int) -> list[_values.Input]:
    """The inputs with a number in place of the batch's name."""
    return [item._replace(sizes=tuple(batch if size == "batch" else size for size in item.sizes)) for item in given]


def run_measurement(options: argparse.Namespace, device: Device | None) -> Measurement:
    """Build the model and run it for real, against a device or this machine. Raises: FlopsightError."""
    with _built(options, real=False) as (workload, args, kwargs):
        from flopsight.measuring import measure

        return measure(
            workload.model,
            args,
            kwargs=kwargs,
            on=options.device,
            device=device,
            backward=options.backward,
            min_run_s=options.seconds,
        )


@contextmanager
def _built(options: argparse.Namespace, *, real: bool) -> Iterator[tuple[Workload, tuple[Any, ...], dict[str, Any]]]:
    """The model that the options name, and what to call it with; a line on the terminal meanwhile."""
    given = [_values.read_input(text) for text in options.input]
    keywords = _values.read_kwargs(options.kwargs)
    with _telling(f"Building {options.model}") as tell:
        from flopsight.sources import Sizes, resolve

        sizes = Sizes(options.batch, options.seq, options.image, options.audio, options.frames)
        workload = resolve(options.model, real=real, train=options.train, sizes=sizes, task=options.task)
        tell(f"Measuring {workload.name}")
        args, kwargs = _arguments(workload, given, keywords)
        yield workload, args, kwargs


def run_generation(options: argparse.Namespace) -> Generation:
    """Build the model, and measure prompt and steps. Raises: FlopsightError."""
    given = [_values.read_input(text) for text in options.input]
    if nameless := [item for item in given if not item.name]:
        sizes = ",".join(map(str, nameless[0].sizes))
        raise InputError(f"--input {sizes} has no name; write that of the argument: pixel_values={sizes}")
    with _telling(f"Building {options.model}") as tell:
        from flopsight.generation import profile_generate
        from flopsight.sources import in_dtype, resolve
        from flopsight.tracing.given.inputs import spec

        workload = _prompted(options)
        assistant = in_dtype(resolve(options.assistant).model, options.dtype) if options.assistant else None
        tell(f"Measuring {workload.name}")
        return profile_generate(
            in_dtype(workload.model, options.dtype),
            batch=options.batch,
            prompt=options.prompt,
            new_tokens=options.new,
            inputs={**workload.kwargs, **{item.name: spec(item.sizes, dtype=item.dtype) for item in given}},
            assistant=assistant,
            draft_tokens=options.draft_tokens,
            acceptance=options.acceptance,
        )


def _prompted(options: argparse.Namespace) -> Workload:
    """A model that generates, with the inputs of a prompt that holds more than text; without any, of one of text."""
    from flopsight.sources import Sizes, resolve

    media = Sizes(image=options.image, audio_s=options.audio, frames=options.frames)
    workload = resolve(options.model, sizes=media)
    if set(workload.kwargs) <= {"input_ids", "decoder_input_ids"}:
        return replace(workload, kwargs={})
    return resolve(options.model, sizes=replace(media, batch=options.batch, seq=options.prompt))


def _arguments(
    workload: Workload, given: list[_values.Input], keywords: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What to call the model with: what the user gave, over what the source knows."""
    from flopsight.tracing.given.inputs import plain, spec

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
        raise workload.lacks()
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
