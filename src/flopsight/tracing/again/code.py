"""What a function's bytecode names, if it does nothing that cannot be followed by name."""

from __future__ import annotations

import dis
import re
from collections.abc import Iterator
from types import CodeType
from typing import NamedTuple

from flopsight.tracing.untouched.reach import for_code

_FOLLOWED = re.compile(
    r"LOAD_(FAST|CONST|DEREF|CLOSURE|GLOBAL|ATTR|METHOD|SUPER|SMALL_INT|COMMON_CONSTANT|ASSERTION).*"
    r"|STORE_(FAST|DEREF|SUBSCR|SLICE).*|DELETE_FAST|(BINARY|INPLACE|UNARY|BUILD|UNPACK|LIST|SET|DICT|MAP|FORMAT)_.*"
    r"|(COMPARE|IS|CONTAINS)_OP|CALL.*|KW_NAMES|PRECALL|PUSH_NULL|POP_(TOP|JUMP|ITER).*|(COPY|SWAP|ROT|DUP).*|JUMP.*"
    r"|(FOR|GET)_ITER|GET_LEN|END_FOR|RETURN.*|YIELD_VALUE|GEN_START|MAKE_(CELL|FUNCTION)|CONVERT_VALUE|TO_BOOL"
    r"|RAISE_VARARGS|RERAISE|RESUME|NOP|NOT_TAKEN|CACHE|EXTENDED_ARG"
)
"""Instructions that read or write nothing but locals, items, and what they name. Those of other versions of Python that
are not known here are not followed; nor are imports, `with`, `except`, and assignments to attributes, to globals and to
the variables of functions around. The class that a function stands in is for `super()` alone.
"""
_READS = ("LOAD_ATTR", "LOAD_METHOD", "LOAD_SUPER_ATTR", "LOAD_SUPER_METHOD")


class Names(NamedTuple):
    """What code names.

    paths: each global with the attributes that are read of it one after the other (`("torch", "nn", "ReLU")`).
    attributes: of whatever object, those in `paths` too.
    """

    paths: frozenset[tuple[str, ...]]
    attributes: frozenset[str]


def _names_in(code: CodeType) -> Names | None:
    """What code and the functions inside it name; None if there is something else to it."""
    paths: set[tuple[str, ...]] = set()
    attributes: set[str] = set()
    path: tuple[str, ...] = ()
    for instruction in dis.get_instructions(code):
        name = instruction.opname
        if not _FOLLOWED.fullmatch(name):
            return None
        if name == "EXTENDED_ARG":
            continue
        if instruction.argval == "__class__" and path != ("super",):
            return None
        if name == "STORE_DEREF" and instruction.argval in code.co_freevars:
            return None
        if name == "LOAD_GLOBAL":
            paths.update({path} - {()})
            path = (instruction.argval,)
        elif name in _READS:
            attributes.add(instruction.argval)
            if path:
                path = (*path, instruction.argval)
        elif path:
            paths.add(path)
            path = ()
    for inner in _inner(code):
        names = names_in(inner)
        if names is None:
            return None
        paths |= names.paths
        attributes |= names.attributes
    return Names(frozenset(paths), frozenset(attributes))


names_in = for_code(_names_in)


def codes_in(code: CodeType) -> Iterator[CodeType]:
    """Code, and that of all functions inside it."""
    yield code
    for inner in _inner(code):
        yield from codes_in(inner)


def _inner(code: CodeType) -> Iterator[CodeType]:
    return (item for item in code.co_consts if isinstance(item, CodeType))
