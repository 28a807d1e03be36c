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


def test_a_flat_table_has_every_call_in_one_row() -> None:
    stack = handmade.stack(2)
    assert shown(stack, flat=True) == ["layers.0 (own code)", "layers.0.fc", "layers.1 (own code)", "layers.1.fc"]
    for profile in (stack, handmade.classifier(), handmade.stack(4, calls=3)):
        rows = build(profile, Layout(flat=True)).rows
        assert sum(row.tally.macs for row in rows) == profile.macs
        assert sum(row.tally.calls for row in rows) == len(profile)
        assert sum(int(row.params) for row in rows) == int(profile.params)


def test_a_flat_table_has_own_parameters_in_a_row() -> None:
    own = [handmade.parameter("scale", 3, identity=1), handmade.parameter("mean", 2, identity=2, buffer=True)]
    modules = [handmade.module("", "Net", *own), handmade.module("a", "Linear", handmade.parameter("w", 5, identity=3))]
    rows = build(handmade.profile(modules), Layout(flat=True)).rows
    assert [(row.label, int(row.params), row.params.buffers) for row in rows] == [
        ("Net (own code)", 3, 2), ("a", 5, 0)
    ]  # fmt: skip
    modules[0] = handmade.module("", "Net", own[1])
    assert shown(handmade.profile(modules), flat=True) == ["Net (own code)", "a"]


def test_a_flat_table_may_end_at_a_depth() -> None:
    assert shown(handmade.stack(2), flat=True, depth=0) == ["Net"]
    assert shown(handmade.stack(2), flat=True, depth=2) == ["layers.0", "layers.1"]


def test_the_top_are_the_largest_rows_folded_and_named_in_full() -> None:
    stack = handmade.stack(3)
    assert shown(stack, top=9) == ["layers.0-2 (3 x) (own code)", "layers.0-2.fc (3 x)"]
    assert shown(stack, top=1, sort="params") == ["layers.0-2.fc (3 x)"]
    assert shown(stack, top=2, flat=True) == ["layers.0 (own code)", "layers.0.fc"]
    assert shown(handmade.classifier(), top=1, by="operator", sort="operators") == ["aten::addmm"]
    assert shown(handmade.classifier(), top=1, by="operator") == ["aten::addmm"]


def test_the_top_say_how_many_there_are() -> None:
    assert build(handmade.stack(3), Layout(top=1)).notes == (
        "The 1 of 2 rows with the greatest % of MACs; together 50.0%.",
    )
    assert build(handmade.stack(3), Layout(top=1, sort="params")).notes == (
        "The 1 of 2 rows with the greatest parameters; together 50.0% of MACs.",
    )
    assert build(handmade.stack(3), Layout(top=1, sort="name")).notes[0].startswith("The 1 of 2 rows with the first ")
    assert build(handmade.stack(3), Layout(top=2)).notes == ()


def test_only_modules_that_match_are_rows() -> None:
    stack = handmade.stack(3)
    assert shown(stack, only="layers.*") == ["layers.0-2 (3 x)", "(own code)", "fc"]
    assert shown(stack, only="layers.[01]") == ["layers.0-1 (2 x)"]
    assert shown(stack, only="*.fc") == ["layers.0.fc", "layers.1.fc", "layers.2.fc"]
    assert shown(stack, only="layers.1*", flat=True) == ["layers.1 (own code)", "layers.1.fc"]
    assert shown(stack, only="*") == shown(stack)
    assert shown(stack["layers.1"], only="*.fc") == ["layers.1.fc"]


def test_a_module_that_matches_stands_below_the_nearest_that_does() -> None:
    modules = [handmade.module(path, "M") for path in ("", "a", "a.b", "a.b.c", "d")]
    rows = build(handmade.profile(modules), Layout(only="a*[!b]")).rows
    assert [(row.label, row.depth) for row in rows] == [("a.b.c", 0)]
    rows = build(handmade.profile(modules), Layout(only="[a]*")).rows
    assert [(row.label, row.depth) for row in rows] == [("a", 0), ("b", 1), ("c", 2)]
    rows = build(handmade.profile([*modules, handmade.module("a.b.e", "M")]), Layout(only="*[ace]")).rows
    assert [(row.label, row.depth) for row in rows] == [("a", 0), ("b.c", 1), ("b.e", 1)]


def test_own_code_is_not_that_of_modules_that_were_left_out() -> None:
    (row,) = build(handmade.stack(3), Layout(only="layers.1", flat=True)).rows
    assert row.tally.macs == 2 * M * K * N
    assert shown(handmade.stack(3), only="layers.1") == ["layers.1"]


def test_groups_are_of_the_modules_that_match() -> None:
    table = build(handmade.classifier(), Layout(by="operator", only="a*"))
    assert [row.label for row in table.rows] == ["aten::relu"]
    table = build(handmade.stack(3), Layout(by="operator", only="layers.1"))
    assert [(row.calls, row.tally.macs) for row in table.rows] == [(2, 2 * M * K * N)]
    assert cells(handmade.stack(4), by="operator", only="layers.1", columns=["share"]) == [["aten::addmm", "25.0%"]]


def test_other_programs_get_the_rows_that_were_asked_for() -> None:
    names, rows = flat(handmade.stack(2), columns=["macs"], flat=True)
    assert (names, rows) == (["path", "macs"], [
        ["layers.0", M * K * N], ["layers.0.fc", M * K * N], ["layers.1", M * K * N], ["layers.1.fc", M * K * N],
    ])  # fmt: skip
    assert [row[0] for row in flat(handmade.stack(2), top=3, sort="params")[1]] == [
        "layers.0.fc", "layers.1.fc", "layers.0"
    ]  # fmt: skip
    assert [row[0] for row in flat(handmade.stack(2), only="*.fc")[1]] == ["layers.0.fc", "layers.1.fc"]


@pytest.mark.parametrize(("layout", "error", "sentence"), [
    ({"top": 0}, InputError, "top 0 rows.*give 1 or more"),
    ({"only": "ayers.*"}, InputError, r"No module of Net has a path like 'ayers\.\*'\. Did you mean 'layers\.\*'"),
    ({"only": "nothing", "by": "operator"}, InputError, "No module of Net has a path like 'nothing'"),
    ({"by": "modul"}, InputError, "by 'modul'.*Did you mean 'module'"),
    ({"columns": ["mac"]}, InputError, "no column 'mac'.*Did you mean 'macs'"),
    ({"sort": "flop"}, InputError, "no column 'flop'"),
    ({"depth": -1}, InputError, "depth is -1"),
    ({"convention": "thp"}, ConventionError, "no convention 'thp'"),
])  # fmt: skip
def test_wrong_layouts_get_a_sentence(layout, error, sentence) -> None:
    with pytest.raises(error, match=sentence):
        build(handmade.stack(), Layout(**layout))
