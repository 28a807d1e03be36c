"""What models cost, in tests: the fixture `cost`, and messages that name modules where an assertion on it fails.

pytest loads this file in every run where flopsight is installed, so it imports nothing but the standard library until a
test asks for the fixture.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from flopsight.costing import Costs

_FIXTURE = "flopsight.costing"
_UPDATE = "--cost-update"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option that writes baselines."""
    group = parser.getgroup("flopsight", "what models cost")
    group.addoption(
        _UPDATE, action="store_true", default=False, help="write the baselines of the tests that use the fixture cost"
    )


def pytest_configure(config: pytest.Config) -> None:
    """Refuse to write from several processes at once."""
    if config.getoption(_UPDATE) and (getattr(config.option, "numprocesses", None) or hasattr(config, "workerinput")):
        raise pytest.UsageError(f"{_UPDATE} writes files that tests share; run it in one process, without -n.")


@pytest.fixture
def cost(request: pytest.FixtureRequest) -> Iterator[Costs]:
    """`cost(model, inputs)` is the profile of a call; a comparison of its figures that fails names modules.

    `cost.as_before(model, inputs)` fails where the cost has grown since `pytest --cost-update` wrote it down.
    """
    from flopsight.costing import Costs

    name = request.node.nodeid.partition("::")[2] or request.node.name
    costs = Costs(request.node.path, name, update=request.config.getoption(_UPDATE))
    yield costs
    costs.close()


def pytest_assertrepr_compare(op: str, left: Any, right: Any) -> list[str] | None:
    """Which modules are to blame for a figure that is not as it is asserted to be."""
    costing = sys.modules.get(_FIXTURE)
    return None if costing is None else costing.told(op, left, right)
