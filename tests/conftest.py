"""Settings of the whole suite."""

from __future__ import annotations

import os

from hypothesis import settings

settings.register_profile("flopsight", deadline=None, derandomize="CI" in os.environ, print_blob=True)
settings.load_profile("flopsight")
