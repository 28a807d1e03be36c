"""`proposals=N`: so many elements are taken wherever values decide how many."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from torch import nn

from flopsight import profile
from flopsight.errors import InputError, NeedsValuesError

X = torch.arange(24.0).reshape(4, 6) + 1
"""Values that are all different, and none of them zero."""


def layout(results):
    """Shape, strides and dtype of each tensor."""
    if isinstance(results, torch.Tensor):
        return tuple(results.shape), results.stride(), results.dtype
    return tuple(map(layout, results))


SELECTIONS = {
    "nonzero": lambda x: x.nonzero(),
    "nonzero as a tuple": lambda x: torch.where(x > -1),
    "argwhere": torch.argwhere,
    "one mask": lambda x: x[x > -1],
    "a mask of rows": lambda x: x[x[:, 0] > -1],
    "a mask beside positions": lambda x: x[x[:, 0] > -1, 2],
    "a mask of columns": lambda x: x[:, x[0] > -1],
    "masked_select": lambda x: x.masked_select(x[0] > -1),
    "unique": lambda x: x.unique(),
    "unique with inverse": lambda x: x.unique(return_inverse=True),
    "unique with counts": lambda x: x.unique(return_counts=True),
    "unique rows": lambda x: x.unique(dim=0, return_inverse=True, return_counts=True),
    "unique unsorted": lambda x: torch._unique(x, return_inverse=True),
    "unique_consecutive": lambda x: x.unique_consecutive(return_inverse=True, return_counts=True),
    "unique_consecutive columns": lambda x: x.unique_consecutive(dim=-1),
}


def profiled(function, **options):
    """The layout of a function's results on a stand-in, and the profile."""
    found = []
    p = profile(lambda x: found.append(layout(function(x))), [X.shape], **options)
    return found[0], p


@pytest.mark.parametrize("name", SELECTIONS)
def test_where_all_are_taken_results_are_those_of_a_real_run(name) -> None:
    found, p = profiled(SELECTIONS[name], proposals=1000)
    assert found == layout(SELECTIONS[name](X))
    real = profile(SELECTIONS[name], [X], execute=True)
    assert p.cost == real.cost
    assert [operation.name for operation in p.operations] == [operation.name for operation in real.operations]


@pytest.mark.parametrize(("name", "shape"), [
    ("nonzero", (3, 2)), ("one mask", (3,)), ("a mask of rows", (3, 6)), ("a mask of columns", (4, 3)),
    ("masked_select", (3,)), ("unique", (3,)), ("argwhere", (3, 2)),
])  # fmt: skip
def test_as_many_are_taken_as_are_assumed(name, shape) -> None:
    found, p = profiled(SELECTIONS[name], proposals=3)
    assert found[0] == shape
    (note,) = p.notes
    assert note.startswith("3 elements are taken where values decide how many")
    assert "test_selections.py" in note


def test_a_selection_of_nothing() -> None:
    found, _ = profiled(lambda x: x[:0].nonzero(), proposals=3)
    assert found == layout(X[:0].nonzero())


def test_masks_that_are_known_select_what_they_do() -> None:
    mask = torch.tensor([True, False, True, True])
    found, p = profiled(lambda x: x[mask], proposals=1)
    assert found[0] == (3, 6)
    assert p.notes == []


class Rows(nn.Module):
    """The rows above zero in a linear layer; `where` for a module whose calls are remembered."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(6, 5)

    def forward(self, x):
        x = x[torch.argwhere(x[:, 0] > 0)[:, 0]]
        return self.layer(x)


def test_a_profile_with_an_assumption_serves_none_without() -> None:
    model = Rows()
    for _ in range(2):
        assert profile(model, [(40, 6)], proposals=7).macs == 7 * 6 * 5
        assert profile(model, [(40, 6)], proposals=9).macs == 9 * 6 * 5
        with pytest.raises(NeedsValuesError):
            profile(model, [(40, 6)])
    assert profile(model, [(40, 6)], proposals=7, backward=True).macs == 2 * 7 * 6 * 5


class Threaded(nn.Module):
    """A module that hands its work to a thread."""

    def __init__(self, inside: nn.Module) -> None:
        super().__init__()
        self.inside = inside

    def forward(self, x):
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self.inside, x).result()


def test_in_another_thread_it_holds_too() -> None:
    model = Rows()
    p = profile(Threaded(model), [(41, 6)], proposals=7)
    assert p.macs == 7 * 6 * 5
    assert len(p.notes) == 1
    with pytest.raises(NeedsValuesError):
        profile(model, [(41, 6)])


def test_what_is_wanted_besides_how_many_is_still_refused() -> None:
    with pytest.raises(NeedsValuesError) as refused:
        profile(lambda x: x * x[0, 0].item(), [(4, 6)], proposals=7)
    assert "proposals=1000" not in str(refused.value)


def test_the_error_names_the_assumption() -> None:
    with pytest.raises(NeedsValuesError, match=r"pass execute=True .*, or proposals=1000 to assume"):
        profile(lambda x: x[x > 0], [(4, 6)])


@pytest.mark.parametrize("proposals", [0, -3, 2.5, True, "10"])
def test_a_number_that_is_none_is_refused(proposals) -> None:
    with pytest.raises(InputError, match="give an integer of at least 1"):
        profile(lambda x: x, [(4, 6)], proposals=proposals)


def test_a_real_run_needs_no_assumption() -> None:
    with pytest.raises(InputError, match="has the real number of elements"):
        profile(lambda x: x, [(4, 6)], proposals=3, execute=True)
