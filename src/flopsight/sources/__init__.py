"""Where models come from: one file for each way to name a model, discovered here.

A source turns an address (`torchvision:resnet50`, `net.py:make_net`) into a `Workload`: a model built without its
weights, and the inputs to run it on.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from flopsight.errors import InputError, ModelError, near


@dataclass(frozen=True)
class Workload:
    """A model and what to run it on.

    name: the model's, for the report. args, kwargs: what forward is called with; a shape or a `flopsight.spec` for each
    tensor; None where the source does not know what the model takes. doubt: what to say where the model rejects these.
    """

    model: Callable[..., Any]
    args: tuple[Any, ...] | None
    kwargs: dict[str, Any]
    name: str
    doubt: str = ""

    @contextmanager
    def doubted(self) -> Iterator[None]:
        """Inside, an error of the model's own code tells the doubt too."""
        try:
            yield
        except ModelError as error:
            if not self.doubt:
                raise
            raise ModelError(f"{error} {self.doubt}") from error.__cause__

    def lacks(self) -> InputError:
        """What to say where the source does not know all that the model takes: what is missing, by name."""
        needed = inspect.signature(getattr(self.model, "forward", self.model)).parameters.values()
        named = [p.name for p in needed if p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty]
        missing = ", ".join(name for name in named if name not in self.kwargs)
        takes = f" (its forward takes {missing})" if missing else ""
        beside = f" beside {' and '.join(self.kwargs)}, which it has" if self.kwargs else ""
        return InputError(
            f"{self.name} needs inputs{beside}{takes}; give one for each argument of its "
            "forward: --input 1,3,224,224, or by name and with a dtype: --input ids=1,128:int64"
        )


@dataclass(frozen=True)
class Sizes:
    """The sizes of inputs that a user may set; None leaves one to the source.

    batch: examples at a time. seq: tokens of text. image: height and width. audio_s: seconds. frames: of a video.
    """

    batch: int | None = None
    seq: int | None = None
    image: tuple[int, int] | None = None
    audio_s: float | None = None
    frames: int | None = None


OPTIONS = {"batch": "--batch", "seq": "--seq", "image": "--image", "audio_s": "--audio", "frames": "--frames"}
"""The option of the command that sets each size."""


@dataclass(frozen=True)
class Request:
    """What a source is asked for.

    address: the model, without the source's prefix. arguments: for its constructor. real: with its parameters
    allocated and initialised, to be run. train: in training mode; otherwise the source puts the model in eval mode.
    sizes: of the inputs. task: what the model is for, where the source has several classes for it.
    """

    address: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    real: bool = False
    train: bool = False
    sizes: Sizes = Sizes()
    task: str | None = None

    def refuse_unused(self, used: Collection[str], *, has_tasks: bool = False) -> None:
        """Refuse sizes other than these, which no input of the model has, and a task. Raises: InputError."""
        for size, value in vars(self.sizes).items():
            if value is not None and size not in used:
                raise InputError(
                    f"{self.address} has no input that {OPTIONS[size]} would set; leave it out, or give the input's "
                    "sizes by --input."
                )
        if self.task is not None and not has_tasks:
            raise InputError(f"{self.address} is a model for one task; leave out --task {self.task}.")

    def make(self, factory: Callable[..., Any], **arguments: Any) -> Any:
        """What `factory` returns for `arguments`, without weights unless `real`; a module is put in the mode asked for.

        Raises: InputError with the constructor's own error.
        """
        from flopsight.sources._weightless import build

        try:
            made = build(factory, arguments, real=self.real)
        except Exception as error:
            raise InputError(f"{self.address} could not be built: {type(error).__name__}: {error}") from error
        return made.train(self.train) if hasattr(made, "train") else made


@dataclass(frozen=True)
class Source:
    """A way to name a model.

    prefix: what stands before the colon; empty if an address is known by `claims` alone. form, summary: for the help.
    build: makes the workload. names: every model it knows, to find near matches. aliases: other names of the prefix.
    often: whether its names are looked through for those near an address without a prefix: others load slowly.
    """

    prefix: str
    form: str
    summary: str
    build: Callable[[Request], Workload]
    claims: Callable[[str], bool] = lambda text: False
    names: Callable[[], list[str]] = list
    aliases: tuple[str, ...] = ()
    often: bool = False


@cache
def sources() -> tuple[Source, ...]:
    """All sources: those with a prefix first, then those that claim an address."""
    found = []
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith("_"):
            continue
        source = getattr(importlib.import_module(f"{__name__}.{module.name}"), "SOURCE", None)
        if isinstance(source, Source):
            found.append(source)
    return tuple(sorted(found, key=lambda source: (not source.prefix, source.form)))


@cache
def by_scheme() -> dict[str, Source]:
    """The sources that have a prefix, by it and by its other names."""
    return {scheme: source for source in sources() for scheme in (source.prefix, *source.aliases) if scheme}


def resolve(
    text: str, *, real: bool = False, train: bool = False, sizes: Sizes = Sizes(), task: str | None = None
) -> Workload:
    """The workload that `text` names: `torchvision:resnet50`, `net.py:make_net(depth=3)`.

    Raises: InputError for an unknown model, with near matches; MissingLibraryError.
    """
    from flopsight.sources._address import refuse_pickled, refuse_unclear, split_arguments
    from flopsight.sources._importable import libraries_importable

    name, arguments = split_arguments(text)
    refuse_pickled(name)
    prefix, _, rest = name.partition(":")
    if rest:
        refuse_unclear(prefix, rest, {scheme: source.prefix for scheme, source in by_scheme().items()})
    for source in sources():
        named = source is by_scheme().get(prefix)
        if named or source.claims(name):
            request = Request(rest if named else name, arguments, real, train, sizes, task)
            with libraries_importable():
                return source.build(request)
    with libraries_importable():
        raise _unknown(name)


def models_of(source: Source) -> list[str]:
    """The names of every model of a source. Raises: MissingLibraryError."""
    from flopsight.sources._importable import libraries_importable

    with libraries_importable():
        return source.names()


def _unknown(name: str) -> InputError:
    forms = ", ".join(source.form for source in sources())
    known = []
    for source in (each for each in sources() if each.often):
        try:
            known += [f"{source.prefix}:{found}" for found in source.names()]
        except ImportError:
            continue  # its library is not installed, so it has no model to offer
    same = [full for full in known if full.partition(":")[2] == name.rpartition(":")[2]]
    hint = f" Did you mean {' or '.join(map(repr, same))}?" if same else near(name, known)
    return InputError(f"{name!r} names no model. A model is written as {forms}.{hint}")


def in_dtype(model: Any, dtype: str) -> Any:
    """The model with its floating-point parameters in a dtype, by name. Raises: InputError."""
    import torch

    found = getattr(torch, dtype, None)
    if not isinstance(found, torch.dtype) or not found.is_floating_point:
        raise InputError(
            f"{dtype!r} is no floating-point dtype of PyTorch.{near(dtype, ['bfloat16', 'float16', 'float32'])}"
        )
    if not hasattr(model, "to"):
        raise InputError(f"{type(model).__name__} is no module, whose parameters could be made {dtype}.")
    return model.to(found)
