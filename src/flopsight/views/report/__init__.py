"""The report: one HTML file, complete in itself, that opens from disk and asks no server for anything.

`data` has the rows and figures that the script reads, `page.html.j2` the page, which shows totals, what is unknown and
what was assumed without the script too. Nothing but the page's own style and scripts, known by their hashes, may run in
it; names and texts of the model are data, or escaped by the template. All of it is ASCII, so that no encoding on its
way to a file changes it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from flopsight import conventions, units
from flopsight.analysis.memory import memory as memory_of
from flopsight.analysis.roofline import Roofline
from flopsight.errors import MissingLibraryError
from flopsight.record import Record
from flopsight.views import View, summary
from flopsight.views.report.chart import chart
from flopsight.views.report.data import Subject, data
from flopsight.views.report.quantities import CONVENTIONS, OTHERS, quantities
from flopsight.views.table import Layout

if TYPE_CHECKING:
    from jinja2 import Template

_SCRIPTS = ("data.js", "rows.js", "graph.js", "table.js", "chart.js", "main.js")
_LARGEST = 12
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")


def render(profile: Record, *, roofline: Roofline | None = None, allocator: str | None = None, **layout: Any) -> str:
    """The profile as a page.

    roofline: the least time on a device, made of the same profile. allocator: whose sizes the memory has, where the run
    followed it. layout: fields of a `flopsight.views.table.Layout`, which say what the reader sees first.
    Raises: InputError; MissingLibraryError without Jinja2.
    """
    from flopsight import __version__

    template = _template()
    arranged = Layout(**layout)
    memory = memory_of(profile, allocator) if profile.storages or allocator else None
    made = data(Subject(profile, quantities(profile, arranged.convention), memory, roofline), arranged)
    made["memory"] = None if memory is None else chart(profile, memory)
    style, scripts = _style(), [_libraries(), _own_script()]
    page: str = template.render(
        profile=profile, facts=_facts(profile), convention=arranged.convention, memory=memory, roofline=roofline,
        largest=memory.largest(_LARGEST) if memory else (), times=_times(roofline), data=made, json=_harmless(made),
        groups=_groups(made), conventions=_conventions(made), left_out=_left_out(made), summary=summary, units=units,
        version=__version__, style=style, style_hash=_hash(style), scripts=scripts,
        script_hashes=list(map(_hash, scripts)),
    )  # fmt: skip
    return page.encode("ascii", "xmlcharrefreplace").decode("ascii")


def _template() -> Template:
    try:
        import jinja2
    except ModuleNotFoundError as error:
        raise MissingLibraryError(
            "A report needs the library Jinja2, which is not installed. Install it with: "
            'pip install "flopsight[report]"'
        ) from error
    surroundings = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True,
        keep_trailing_newline=True,
    )  # fmt: skip
    surroundings.filters["printable"] = lambda text: units.printable(str(text))
    return surroundings.from_string(_read("page.html.j2"))


@cache
def _read(name: str) -> str:
    return files("flopsight.views.report").joinpath(name).read_text(encoding="utf-8")


@cache
def _style() -> str:
    return _NOT_ASCII.sub(lambda found: f"\\{ord(found[0]):x} ", _read("report.css"))


@cache
def _libraries() -> str:
    return _script(f"/*! D3\n\n{_read('d3.LICENSE')}*/\n{_read('d3.min.js')}")


@cache
def _own_script() -> str:
    return _script("".join(map(_read, _SCRIPTS)))


def _script(text: str) -> str:
    """The script with its texts in ASCII."""
    return _NOT_ASCII.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


@cache
def _hash(text: str) -> str:
    """What a content security policy knows a text by."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _harmless(value: Any) -> str:
    """JSON that may stand inside a `script` element: without a `<`, nothing in it ends the element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def _facts(profile: Record) -> list[str]:
    """Where the model is from, what it was run on, and how."""
    found = []
    if "address" in profile.about:
        found.append(str(profile.about["address"]))
    if profile.root:
        found.append(f"module {profile.root}")
    if given := summary.inputs(profile):
        found.append(f"on {given}")
    if profile.about.get("torch"):
        found.append(f"PyTorch {profile.about['torch']}")
    return list(map(units.printable, found))


def _conventions(made: dict[str, Any]) -> list[tuple[str, str, str, str]]:
    """Every convention's total, with all digits."""
    names = [each for each in made["quantities"] if each["group"] in (CONVENTIONS, OTHERS)]
    totals = made["totals"]["all"]
    return [(each["name"], each["title"], units.exact(int(totals[each["name"]][0])), each["meaning"]) for each in names]


def _left_out(made: dict[str, Any]) -> list[str]:
    """The conventions that cannot count the profile."""
    there = [each["name"] for each in made["quantities"]]
    return [name for name in conventions.names() if name not in there]


def _groups(made: dict[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """What the reader may count by, under headings."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for quantity in made["quantities"]:
        if quantity["adds_up"]:
            groups.setdefault(quantity["group"], []).append(quantity)
    return groups


def _times(roofline: Roofline | None) -> list[str]:
    from flopsight.views import roofline as text

    return [] if roofline is None else [text.title(roofline), *text.sentences(roofline)]


VIEW = View("html", "a report for a browser: totals, graph, tables", render)
