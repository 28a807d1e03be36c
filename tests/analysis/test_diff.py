"""What changed between profiles made by hand; changes add up to the difference of the totals."""

from __future__ import annotations

import handmade
import pytest
from handmade import K, M, N, linear, module, parameter, relu, unknown

from flopsight.analysis.diff import ADDED, CHANGED, REMOVED, RENAMED, Diff, bound, diff
from flopsight.profiles import Profile

MACS = M * K * N


def net(*layers: tuple[str, str], root: str = "Net", tied: bool = False) -> Profile:
    """Modules by path and class below a root; those that are a `Linear` hold a weight and run a product."""
    modules, calls, identity = [module("", root)], [], 0
    for path, kind in layers:
        if kind.startswith("Linear"):
            identity += not (tied and identity)
            modules.append(module(path, kind, parameter("weight", N, K, identity=identity)))
            calls.append((linear(), path))
        else:
            calls += [(relu(M, N), path)] if kind == "ReLU" else []
            modules.append(module(path, kind, calls=int(kind != "ModuleList")))
    return handmade.profile(modules, calls)


def told(found: Diff) -> list[tuple[str, str | None, str | None, int]]:
    return [
        (each.what, each.old.label if each.old else None, each.new.label if each.new else None, each.times)
        for each in found.changes
    ]


def checked(old: Profile, new: Profile) -> Diff:
    """The difference, whose changes add up, and which is the opposite of that the other way round."""
    found = diff(old, new)
    for figure in ("macs", "exact", "weights"):
        apart = sum(
            (each.new.tally.total(figure) if each.new else 0) - (each.old.tally.total(figure) if each.old else 0)
            for each in found.changes
        )
        assert apart == new.total(figure) - old.total(figure), figure
    params = sum((each.new.params if each.new else 0) - (each.old.params if each.old else 0) for each in found.changes)
    assert params == new.params - old.params
    assert diff(old, old).changes == diff(new, new).changes == ()
    assert found.changed == diff(new, old).changed
    return found


PLAIN = [("a", "Linear"), ("b", "ReLU"), ("c", "Linear")]


def test_the_same_has_not_changed() -> None:
    found = checked(net(*PLAIN), net(*PLAIN))
    assert not found.changed
    assert found.related
    assert not checked(handmade.empty(), handmade.empty()).changed


def test_what_came_and_went_is_told_with_all_below_it() -> None:
    more = [*PLAIN, ("d", "Block"), ("d.x", "Linear"), ("d.y", "ReLU")]
    found = checked(net(*PLAIN), net(*more))
    assert told(found) == [(ADDED, None, "d", 1)]
    assert found.changes[0].side.tally.macs == MACS
    assert told(checked(net(*more), net(*PLAIN))) == [(REMOVED, "d", None, 1)]


def test_a_change_is_of_the_module_itself() -> None:
    old = net(("d", "Block"), ("d.x", "Linear"))
    wide = handmade.profile(
        [module("", "Net"), module("d", "Block"), module("d.x", "Linear", parameter("weight", 2 * N, K, identity=1))],
        [(linear(columns=2 * N), "d.x")],
    )
    found = checked(old, wide)
    assert told(found) == [(CHANGED, "d.x", "d.x", 1)]
    assert found.changes[0].side.tally.macs == 2 * MACS


def test_a_change_of_class_is_one() -> None:
    found = checked(net(("a", "Linear")), net(("a", "LinearToo")))
    assert told(found) == [(CHANGED, "a", "a", 1)]


def test_an_equal_module_under_another_name_is_renamed() -> None:
    found = checked(net(("fc", "Linear"), ("b", "ReLU")), net(("head", "Linear"), ("b", "ReLU")))
    assert told(found) == [(RENAMED, "fc", "head", 1)]


def test_one_that_moved_with_its_name_is_renamed() -> None:
    found = checked(net(("a", "Block"), ("a.x", "Linear")), net(("b", "Other"), ("b.x", "Linear")))
    assert told(found) == [(ADDED, None, "b", 1), (RENAMED, "a.x", "b.x", 1), (REMOVED, "a", None, 1)]


def test_renamed_ones_are_found_in_order() -> None:
    old = net(("0", "Linear"), ("1", "ReLU"), ("2", "Linear"))
    new = net(("0", "Linear"), ("1", "LinearToo"), ("2", "ReLU"), ("3", "Linear"))
    assert told(checked(old, new)) == [(ADDED, None, "1", 1), (RENAMED, "1", "2", 1), (RENAMED, "2", "3", 1)]


def blocks(name: str, count: int, **other: str) -> list[tuple[str, str]]:
    layers = [(name, "ModuleList")]
    for index in range(count):
        layers += [(f"{name}.{index}", "Block"), (f"{name}.{index}.fc", other.get(f"at{index}", "Linear"))]
    return layers


def test_a_container_renamed_as_a_whole_is_told_once() -> None:
    assert told(checked(net(*blocks("layers", 4)), net(*blocks("h", 4)))) == [(RENAMED, "layers", "h", 1)]


def test_a_container_renamed_and_changed_is_still_the_same() -> None:
    found = checked(net(*blocks("layers", 4)), net(*blocks("h", 6)))
    assert told(found) == [(RENAMED, "layers", "h", 1), (ADDED, None, "h.4-5", 2)]
    found = checked(net(*blocks("layers", 4)), net(*blocks("h", 4, at3="LinearToo")))
    assert (RENAMED, "layers", "h", 1) in told(found)
    assert (RENAMED, "layers.3.fc", "h.3.fc", 1) not in told(found)


def test_a_model_inside_another_is_renamed() -> None:
    inside = [("module", "Net"), *((f"module.{path}", kind) for path, kind in PLAIN)]
    found = checked(net(*PLAIN), net(*inside, root="Wrapper"))
    assert told(found) == [(ADDED, None, "", 1), (RENAMED, "", "module", 1)]


def test_what_does_nothing_is_renamed_only_in_its_place() -> None:
    old, new = net(("0", "Dropout"), ("1", "Linear")), net(("0", "Linear"), ("1", "Dropout"))
    assert sorted(told(checked(old, new))) == [(RENAMED, "0", "1", 1), (RENAMED, "1", "0", 1)]
    away = net(("x", "Block"), ("x.0", "Dropout"), ("1", "Linear"))
    assert (REMOVED, "0", None, 1) in told(checked(old, away))


def test_equal_changes_of_blocks_are_one() -> None:
    changed = {f"at{index}": "LinearToo" for index in range(4)}
    assert told(checked(net(*blocks("h", 4)), net(*blocks("h", 4, **changed)))) == [
        (CHANGED, "h.0-3.fc", "h.0-3.fc", 4)
    ]


def test_models_that_share_nothing_are_not_related() -> None:
    found = checked(net(("a", "Linear")), net(("x", "Conv"), ("y", "ReLU"), root="Other"))
    assert not found.related
    assert found.changed


@pytest.mark.parametrize(("shared", "related"), [(1, False), (2, True)])
def test_models_that_share_less_than_a_tenth_are_not_related(shared: int, related: bool) -> None:
    layers = [(f"a{number}", f"Kind{number}") for number in range(20)]
    others = [*layers[:shared], *((f"b{number}", "Other") for number in range(shared, 20))]
    assert checked(net(*layers), net(*others)).related is related


def test_a_model_of_one_module_is_related_to_one_of_its_class() -> None:
    alone = handmade.profile([module("", "Net")], [(linear(), "")])
    assert checked(alone, net(("a", "Linear"))).related
    assert checked(alone, handmade.profile([module("", "Net")])).related
    assert not checked(alone, handmade.empty()).related
    nothing = Profile("none", [], [], [], {})
    assert checked(nothing, nothing).related
    assert not checked(nothing, alone).related


def test_a_weight_that_is_no_longer_tied_is_a_change() -> None:
    found = checked(net(("a", "Linear"), ("b", "Linear"), tied=True), net(("a", "Linear"), ("b", "Linear")))
    assert told(found) == [(CHANGED, "b", "b", 1)]
    assert found.changes[0].side.params == N * K


def test_a_part_of_a_model_is_held_against_another_part() -> None:
    both = net(("x", "Block"), ("x.a", "Linear"), ("y", "Block"), ("y.a", "Linear"), ("y.b", "Linear"))
    assert told(diff(both["x"], both["y"])) == [(ADDED, None, "b", 1)]


def test_notes_that_changed_are_told_and_are_changes() -> None:
    old = handmade.profile([module("", "Net")], notes=["gone", "same"])
    new = handmade.profile([module("", "Net")], notes=["same", "came"])
    found = diff(old, new)
    assert (found.notes_added, found.notes_removed, found.changed) == (("came",), ("gone",), True)


@pytest.mark.parametrize(("before", "after", "expected"), [
    (0, 0, ""), (1, 1, ""), (0, 1, ">= "), (1, 2, ">= "), (2, 1, "<= "), (1, 0, "<= "),
])  # fmt: skip
def test_a_difference_of_bounds_is_a_bound(before: int, after: int, expected: str) -> None:
    old, new = (
        handmade.profile([module("", "Net")], [(unknown(), "") for _ in range(times)]) for times in (before, after)
    )
    assert bound(old.tally(), new.tally()) == expected
    assert diff(old, new).unknown_added == (("mylib::scan",) if after and not before else ())
    assert diff(old, new).unknown_removed == (("mylib::scan",) if before and not after else ())


def test_where_other_operators_are_unknown_the_difference_is_not_known() -> None:
    other = unknown()._replace(operator="mylib::other.default")
    with_argument = unknown()._replace(arguments={"k": 3})
    old = handmade.profile([module("", "Net")], [(unknown(), "")])
    for operation in (other, with_argument):
        assert bound(old.tally(), handmade.profile([module("", "Net")], [(operation, "")]).tally()) == "?"
