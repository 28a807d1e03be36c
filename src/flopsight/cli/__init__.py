"""The command line: one file a subcommand, discovered here; `flopsight MODEL` is `flopsight profile MODEL`.

Exit codes: 0; 1 if a check fails (`--strict`); 2 if what was given cannot be used, with one sentence that says why;
70 for a fault in flopsight; 130 after Ctrl-C.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import os
import pkgutil
import sys
from collections.abc import Sequence
from typing import NoReturn

from flopsight.cli import _plain
from flopsight.errors import FlopsightError, UnknownOperatorError, out_of_memory
from flopsight.units import printable

DEFAULT = "profile"
TRACEBACK = "FLOPSIGHT_TRACEBACK"
_OPTIONS = {
    "execute=True": "--execute", "backward=True": "--backward", "proposals=1000": "--proposals 1000",
    "optimizer=": "--optimizer",
}  # fmt: skip


class Command:
    """A subcommand. Its docstring is its help; the file's name is its name."""

    def add_arguments(self, parser: argparse.ArgumentParser) -> None:
        """Declare options and arguments."""

    def run(self, options: argparse.Namespace) -> int:
        """Do it, and return the exit code."""
        raise NotImplementedError


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"flopsight: {printable(message)}. See: {self.prog} --help\n")


def names() -> list[str]:
    """The subcommands."""
    found = [module.name for module in pkgutil.iter_modules(__path__) if not module.name.startswith("_")]
    return sorted(name.replace("_", "-") for name in found)


def command(name: str) -> Command:
    """The subcommand of that name."""
    module = importlib.import_module(f"{__name__}.{name.replace('-', '_')}")
    (found,) = (
        value
        for value in vars(module).values()
        if inspect.isclass(value) and issubclass(value, Command) and value.__module__ == module.__name__
    )
    made: Command = found()
    return made


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line, and return its exit code."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    _plain.allow(sys.stdout)
    try:
        return _run(given)
    except UnknownOperatorError as error:
        return _failed(_sentence(error), 1)
    except (FlopsightError, MemoryError) as error:
        return _failed(_sentence(error), 2)
    except SystemExit as done:  # argparse: help was printed, or an argument is wrong
        return done.code if isinstance(done.code, int) else 0
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read the output has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except Exception as error:
        if TRACEBACK in os.environ:
            raise
        wish = f"Set {TRACEBACK}=1 to see where, and please report it."
        return _failed(f"This is a fault in flopsight: {type(error).__name__}: {error}. {wish}", 70)


def _run(given: list[str]) -> int:
    if not given or given[0] in ("-h", "--help"):
        print(_overview())
        return 0 if given else 2
    if given[0] == "--version":
        from flopsight import __version__

        print(f"flopsight {__version__}")
        return 0
    name, rest = (given[0], given[1:]) if given[0] in names() else (DEFAULT, given)
    chosen = command(name)
    prog = "flopsight" if name == DEFAULT else f"flopsight {name}"
    parser = _Parser(prog, description=inspect.getdoc(chosen), formatter_class=argparse.RawDescriptionHelpFormatter)
    chosen.add_arguments(parser)
    code = chosen.run(parser.parse_args(rest))
    sys.stdout.flush()
    return code


def _overview() -> str:
    from flopsight.sources import sources

    width = max(map(len, names())) + 2
    lines = [
        "What a PyTorch model costs, for every operator, without running it.",
        "",
        "usage: flopsight MODEL [options]",
    ]
    lines += ["       flopsight COMMAND ...", "", "MODEL is one of:"]
    lines += [f"  {source.form}: {source.summary}" for source in sources()]
    lines += ["", "COMMAND is one of:"]
    for name in names():
        lines.append(f"  {name:{width}}{(inspect.getdoc(command(name)) or '').partition(chr(10))[0]}")
    return "\n".join([*lines, "", "Options of each: flopsight COMMAND --help, for models: flopsight profile --help"])


def _failed(sentence: str, code: int) -> int:
    print(f"flopsight: {printable(' '.join(sentence.split()))}", file=sys.stderr)
    return code


def _sentence(error: BaseException) -> str:
    """The error's own, with this command line's options; or, where memory ran out, what to do about it."""
    if out_of_memory(error):
        return "The model does not fit into memory. Leave --execute out: then no weights are allocated."
    sentence = str(error)
    for argument, option in _OPTIONS.items():
        sentence = sentence.replace(argument, option)
    return sentence
