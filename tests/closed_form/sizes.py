"""How many sizes Hypothesis picks for each closed form: a few, or those of `make forms`."""

from __future__ import annotations

import os

from hypothesis import HealthCheck, settings

EXAMPLES = settings(max_examples=int(os.environ.get("EXAMPLES", "3")), suppress_health_check=list(HealthCheck))
