"""The whole record as JSON, which `flopsight show` and `flopsight.load` read."""

from __future__ import annotations

import json
from typing import Any

from flopsight import saving
from flopsight.record import Record
from flopsight.views import View


def render(profile: Record, **layout: Any) -> str:
    """The profile as `flopsight.saving` writes it; a layout changes nothing."""
    return json.dumps(saving.to_dict(profile), separators=(",", ":")) + "\n"


VIEW = View("json", "the whole record, to look at later with `flopsight show`", render)
