from __future__ import annotations

import handmade
from handmade import LINEAR_COST, K, N

from flopsight.profiles import Profile
from flopsight.views.tree import Branch, roots


def top(profile: Profile, *, fold: bool = True) -> Branch:
    (branch,) = roots(profile, fold=fold)
    return branch


def labels(branch: Branch) -> list[str]:
    return [child.label for child in branch.children]


def test_nothing_is_a_root_alone() -> None:
    branch = top(handmade.empty())
    assert (branch.path, branch.children, branch.params, branch.tally.macs) == ("", [], 0, 0)


def test_equal_blocks_fold_and_their_list_opens() -> None:
    branch = top(handmade.stack(3))
    assert labels(branch) == ["layers.0-2 (3 x)"]
    (block,) = branch.children
    assert block.times == block.calls == 3
    assert block.tally.cost == 3 * 2 * LINEAR_COST
    assert block.params == 3 * N * K
    (inner,) = block.children
    assert (inner.label, inner.tally.cost, inner.params) == ("fc", 3 * LINEAR_COST, 3 * N * K)


def test_own_code_is_what_no_child_does() -> None:
    (block,) = top(handmade.stack(3)).children
    assert sum(block.own.values()) == 3
    assert not top(handmade.stack(3)).own


def test_a_different_block_ends_a_run() -> None:
    profile = handmade.stack(4)
    profile.modules["layers.2"].kind = "Other"
    assert labels(top(profile)) == ["layers.0-1 (2 x)", "layers.2", "layers.3"]


def test_a_block_called_more_often_ends_a_run() -> None:
    profile = handmade.stack(3)
    profile.modules["layers.2.fc"].calls = 2
    assert labels(top(profile)) == ["layers.0-1 (2 x)", "layers.2"]


def test_a_gap_in_the_numbers_ends_a_run() -> None:
    modules = [
        handmade.module("", "Net"),
        *(handmade.module(name, "ReLU") for name in ("act1", "act2", "act4", "x", "y")),
    ]
    assert labels(top(handmade.profile(modules))) == ["act1-2 (2 x)", "act4", "x", "y"]


def test_runs_within_runs_fold_and_add_up() -> None:
    product = handmade.linear()
    modules = [handmade.module("", "Net")]
    calls = []
    for stage in "01":
        modules.append(handmade.module(f"stage{stage}", "Stage"))
        for block in "012":
            modules.append(handmade.module(f"stage{stage}.{block}", "Block"))
            calls.append((product, f"stage{stage}.{block}"))
    branch = top(handmade.profile(modules, calls))
    assert labels(branch) == ["stage0-1 (2 x)"]
    (stages,) = branch.children
    assert labels(stages) == ["0-2 (3 x)"]
    assert stages.children[0].times == 6
    assert stages.children[0].tally.cost == 6 * LINEAR_COST


def test_unfolded_has_every_module() -> None:
    branch = top(handmade.stack(2), fold=False)
    assert labels(branch) == ["layers"]
    assert labels(branch.children[0]) == ["0", "1"]


def test_below_a_module_that_never_ran_nothing_is_shown() -> None:
    modules = [handmade.module("", "Net"), handmade.module("aux", "Head", calls=0)]
    modules.append(handmade.module("aux.fc", "Linear", handmade.parameter("weight", N, K, identity=1), calls=0))
    (aux,) = top(handmade.profile(modules)).children
    assert (aux.label, aux.children, aux.params) == ("aux", [], N * K)


def test_a_part_of_a_model_has_its_own_root() -> None:
    branch = top(handmade.stack(3)["layers.1"])
    assert (branch.label, labels(branch)) == ("layers.1", ["fc"])


def test_modules_without_a_root_stand_side_by_side() -> None:
    profile = handmade.classifier()
    del profile.modules[""]
    assert [branch.label for branch in roots(profile)] == ["fc", "act"]
