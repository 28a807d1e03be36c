from __future__ import annotations

import importlib.util
import inspect
from pathlib import Path

import pytest
import torch
from versions import REFERENCE, VERSION

from flopsight import coverage
from flopsight.formulas.registry import load_formulas

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def packets() -> list[coverage.Packet]:
    if importlib.util.find_spec("torchvision") is None:
        pytest.skip("torchvision, which is walked too, is not installed")
    return coverage.packets()


def test_every_core_operator_is_known(packets: list[coverage.Packet]) -> None:
    core = [packet for packet in packets if packet.core]
    assert len(core) > 150
    assert [packet.name for packet in core if packet.status == "unknown"] == []


def test_nearly_every_aten_operator_is_known(packets: list[coverage.Packet]) -> None:
    aten = [packet for packet in packets if packet.name.startswith("aten::")]
    unknown = [packet.name for packet in aten if packet.status == "unknown"]
    assert len(aten) > 1500
    assert len(unknown) <= 0.03 * len(aten), unknown


def test_each_namespace_is_walked(packets: list[coverage.Packet]) -> None:
    assert {packet.name.partition("::")[0] for packet in packets} == set(coverage.NAMESPACES)
    assert {packet.status for packet in packets} == set(coverage.STATUSES)


@pytest.mark.parametrize(
    ("operator", "status"),
    [
        ("aten::addmm", "counted"),
        ("aten::add_.Tensor", "counted"),
        ("aten::add.out", "counted"),
        ("aten::view", "zero"),
        ("aten::linalg_multi_dot", "composite"),
        ("aten::_foobar", "unknown"),
    ],
)
def test_status(operator: str, status: str) -> None:
    assert coverage.status(operator) == status


def test_formulas_name_operators_that_exist(packets: list[coverage.Packet]) -> None:
    names = {packet.name for packet in packets} | {schema.name for schema in torch._C._jit_get_all_schemas()}
    walked = [f.operator for f in load_formulas() if f.operator.partition("::")[0] in coverage.NAMESPACES]
    missing = [name for name in walked if not {name.partition(".")[0], name.partition(".")[0] + "_"} & names]
    if not VERSION.startswith(REFERENCE):
        pytest.skip(f"PyTorch {VERSION} does not have {', '.join(missing) or 'only these operators'}")
    assert missing == []


def test_formulas_ask_for_names_that_schemas_have(packets: list[coverage.Packet]) -> None:
    overloads: dict[str, list[str]] = {}
    for name in torch._C._dispatch_get_all_op_names():
        overloads.setdefault(name.partition(".")[0], []).append(name)
    for formula in load_formulas():
        wanted = {
            p.name
            for p in inspect.signature(formula.rule).parameters.values()
            if p.name != "out" and p.default is inspect.Parameter.empty
        }
        for overload in overloads.get(formula.operator, []):
            if load_formulas().find(overload) is formula:
                schema = torch._C._get_schema(*overload.partition(".")[::2])
                missing = wanted - {argument.name for argument in schema.arguments}
                assert not missing, f"{formula.operator} asks for {missing}, which {overload} does not have"


def test_the_page_is_up_to_date(packets: list[coverage.Packet]) -> None:
    page = (ROOT / "docs" / "operators.md").read_text(encoding="utf-8")
    if f"PyTorch {torch.__version__.partition('+')[0]}," not in page:
        pytest.skip("the page is made with another version of PyTorch")
    assert page == coverage.page(), "run: python -m flopsight.coverage docs/operators.md"


def test_kinds_of_work() -> None:
    formulas = load_formulas()
    found = {name: coverage.kinds(formulas.formulas[name]) for name in ("aten::bmm", "aten::sigmoid", "aten::sum")}
    assert found == {
        "aten::bmm": "multiply-accumulate",
        "aten::sigmoid": "add, divide, special",
        "aten::sum": "add",
    }
