from __future__ import annotations

from flopsight.analysis.folding import Run, folded


def runs(*names: str | tuple[str | None, ...], alike: object = 0) -> list[Run[int]]:
    return [Run((name,) if isinstance(name, str) else name, alike, (n,)) for n, name in enumerate(names)]


def names(found: list[Run[int]]) -> list[tuple[tuple[str | None, ...], int]]:
    return [(run.names, run.times) for run in found]


def test_neighbours_whose_names_count_up_are_one() -> None:
    found = folded(runs("layers.0.fc", "layers.1.fc", "layers.2.fc", "layers.4.fc"))
    assert names(found) == [(("layers.0-2.fc",), 3), (("layers.4.fc",), 1)]
    assert found[0].items == (0, 1, 2)


def test_what_stands_between_them_does_not_part_them() -> None:
    found = folded(runs("h.0.a", "h.0.b", "h.1.a", "h.1.b"))
    assert names(found) == [(("h.0-1.a",), 2), (("h.0-1.b",), 2)]


def test_numbers_fold_at_several_places_innermost_first() -> None:
    found = folded(runs(*(f"h.{block}.e{expert}.w" for block in range(3) for expert in range(4))))
    assert names(found) == [(("h.0-2.e0-3.w",), 12)]


def test_what_is_not_alike_stays_apart() -> None:
    found = folded([*runs("h.0", alike="a"), *runs("h.1", alike="b")])
    assert names(found) == [(("h.0",), 1), (("h.1",), 1)]


def test_two_names_count_up_together() -> None:
    both = folded(runs(("a.0", "b.3"), ("a.1", "b.4"), ("a.2", "b.9")))
    assert names(both) == [(("a.0-1", "b.3-4"), 2), (("a.2", "b.9"), 1)]
    assert names(folded(runs((None, "b.3"), (None, "b.4")))) == [((None, "b.3-4"), 2)]


def test_the_order_is_that_of_the_first() -> None:
    assert names(folded(runs("b", "h.0", "a", "h.1"))) == [(("b",), 1), (("h.0-1",), 2), (("a",), 1)]


def test_nothing_folds_to_nothing() -> None:
    assert folded([]) == []
    assert names(folded(runs("", "0", "1"))) == [(("",), 1), (("0-1",), 2)]
