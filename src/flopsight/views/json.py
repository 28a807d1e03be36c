"""The whole record as JSON, which `flopsight show` and `flopsight.load` read."""

from __future__ import annotations

import json
from typing import Any

from flopsight.record import Profile
from flopsight.views import View


def render(profile: Profile, **layout: Any) -> str:
    """The profile as `flopsight.saving` writes it; a layout changes nothing."""
    return json.dumps(profile.to_dict(), separators=(",", ":")) + "\n"


VIEW = View("json", "the whole record, to look at later with `flopsight show`", render)
