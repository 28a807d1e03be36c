from __future__ import annotations

import handmade
import pytest
from handmade import K, M, N

from flopsight.errors import ConventionError, InputError
from flopsight.views.columns import names
from flopsight.views.table import DEFAULT_ROWS, Layout, build, flat


def shown(profile, **layout) -> list[str]:
    return [row.label for row in build(profile, Layout(**layout)).rows]


def cells(profile, **layout) -> list[list[str]]:
    return list(build(profile, Layout(**layout)).cells())


def test_nothing_has_one_row_without_shares() -> None:
    assert cells(handmade.empty()) == [["Identity", "Identity", "-", "-", "0", "0", "0", "-", "0"]]


def test_rows_are_the_module_tree() -> None:
    assert shown(handmade.classifier()) == ["Net", "fc", "act"]
    assert cells(handmade.classifier())[1] == [
        "  fc", "Linear", "4x16", "4x16", str(N * K + N), str(M * K * N), "1.024 k", "100.0%", "1"
    ]  # fmt: skip


def test_depth_limits_the_tree() -> None:
    assert shown(handmade.stack(), depth=0) == ["Net"]
    assert shown(handmade.stack(), depth=1) == ["Net", "layers.0-2 (3 x)"]
    assert shown(handmade.stack(), depth=2) == ["Net", "layers.0-2 (3 x)", "(own code)", "fc"]


def test_without_a_depth_the_tree_is_as_deep_as_fits() -> None:
    modules = [handmade.module("", "Net")]
    for index in range(DEFAULT_ROWS // 2):
        modules += [handmade.module(f"m{index}", f"Kind{index}"), handmade.module(f"m{index}.x", "X")]
    assert len(shown(handmade.profile(modules))) == 1 + DEFAULT_ROWS // 2
    assert len(shown(handmade.profile(modules[:11]))) == 11


def test_sorting_puts_the_largest_first() -> None:
    assert shown(handmade.classifier(), sort="exact") == ["Net", "fc", "act"]
    assert shown(handmade.classifier(), sort="class") == ["Net", "fc", "act"]
    assert shown(handmade.classifier(), sort="name") == ["Net", "act", "fc"]
    assert shown(handmade.classifier(), sort="share", by="operator") == ["aten::addmm", "aten::relu"]


def test_sorting_by_shares_of_nothing_keeps_the_order() -> None:
    modules = [handmade.module("", "Net"), handmade.module("b", "B"), handmade.module("a", "A")]
    assert shown(handmade.profile(modules), sort="share") == ["Net", "b", "a"]


@pytest.mark.parametrize(("by", "expected"), [
    ("operator", ["aten::addmm", "aten::relu"]), ("family", ["contraction", "activation"]), ("dtype", ["float32"]),
])  # fmt: skip
def test_rows_can_be_groups_of_operators(by: str, expected: list[str]) -> None:
    assert shown(handmade.classifier(), by=by) == expected


def test_a_convention_takes_the_place_of_macs_and_flops() -> None:
    table = build(handmade.classifier(), Layout(convention="linear"))
    assert [column.title for column in table.columns if column.is_number] == [
        "parameters", "linear FLOPs", "% of linear FLOPs", "calls"
    ]  # fmt: skip
    assert table.columns[5].value(table.rows[0]) == 2 * M * K * N


def test_every_column_works_and_names_what_it_counts() -> None:
    table = build(handmade.classifier(), Layout(columns=names()))
    values = {column.name: column.value(table.rows[0]) for column in table.columns}
    assert values["params"] == values["trainable"] == N * K + N
    assert values["macs"] == values["effective"] == M * K * N
    assert values["written"] == 4 * (M * N + M * N)
    assert values["read"] == 4 * (N + M * K + K * N) + 4 * M * N
    assert values["operators"] == 2
    assert values["unknown"] == 0
    assert all(column.text(row) for column in table.columns for row in table.rows)


def test_shares_are_of_operations_where_there_are_no_macs() -> None:
    modules = [handmade.module("", "Net")]
    profile = handmade.profile(modules, [(handmade.relu(2, 3), "")])
    assert [column.title for column in build(profile, Layout()).columns][-2] == "% of exact operations"


def test_unknown_costs_make_lower_bounds() -> None:
    modules = [handmade.module("", "Net"), handmade.module("a", "A"), handmade.module("b", "B")]
    profile = handmade.profile(modules, [(handmade.unknown(), "a"), (handmade.linear(), "b")])
    assert [row[1] for row in cells(profile, columns=["name", "macs"])] == [">= 512", ">= 0", "512"]


def test_flat_rows_have_paths_and_whole_numbers() -> None:
    columns, rows = flat(handmade.stack(2), columns=["macs", "params"])
    assert columns == ["path", "macs", "params"]
    assert rows == [
        ["", 4 * M * K * N, 2 * N * K], ["layers", 4 * M * K * N, 2 * N * K],
        ["layers.0", 2 * M * K * N, N * K], ["layers.0.fc", M * K * N, N * K],
        ["layers.1", 2 * M * K * N, N * K], ["layers.1.fc", M * K * N, N * K],
    ]  # fmt: skip


@pytest.mark.parametrize(("layout", "error", "sentence"), [
    ({"by": "modul"}, InputError, "by 'modul'.*Did you mean 'module'"),
    ({"columns": ["mac"]}, InputError, "no column 'mac'.*Did you mean 'macs'"),
    ({"sort": "flop"}, InputError, "no column 'flop'"),
    ({"depth": -1}, InputError, "depth is -1"),
    ({"convention": "thp"}, ConventionError, "no convention 'thp'"),
])  # fmt: skip
def test_wrong_layouts_get_a_sentence(layout, error, sentence) -> None:
    with pytest.raises(error, match=sentence):
        build(handmade.classifier(), Layout(**layout))
