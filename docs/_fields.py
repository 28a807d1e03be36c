"""Sets the docstrings' fields (`name: meaning`, in running text) as lists in the API reference."""

from __future__ import annotations

import re

import griffe


class Fields(griffe.Extension):
    """Finds the names that an object documents: its parameters, its attributes, and what it raises."""

    def on_function_instance(self, *, func: griffe.Function, **_: object) -> None:
        """A function's are its parameters."""
        _set(func, [parameter.name.lstrip("*") for parameter in func.parameters])

    def on_class_members(self, *, cls: griffe.Class, **_: object) -> None:
        """A class's are its attributes."""
        _set(cls, [name for name, member in cls.members.items() if member.is_attribute])


def _set(documented: griffe.Object, names: list[str]) -> None:
    if documented.docstring is not None:
        documented.docstring.value = listed(documented.docstring.value, [*names, "Raises"])


def listed(text: str, names: list[str]) -> str:
    """A docstring with an item for each field, wherever in a paragraph it begins."""
    name = "|".join(map(re.escape, names))
    field = re.compile(rf"(?:(?<!,\n)^|(?<=\.)\s+)((?:{name})(?:,\s+(?:{name}))*): ", re.MULTILINE)
    return field.sub(lambda found: f"\n\n- {_code(found[1])}: ", text)


def _code(names: str) -> str:
    return names if names == "Raises" else re.sub(r"\w+", r"`\g<0>`", names)
