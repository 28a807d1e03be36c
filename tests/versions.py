"""What another version of PyTorch than the one that flopsight is written with does not have."""

from __future__ import annotations

from typing import Any

import pytest
import torch

VERSION = torch.__version__.partition("+")[0]
REFERENCE = "2.13."
"""How the versions start that have all that the formulas name: the one that the Makefile installs."""

OTHERS = ("bitsandbytes", "DaoAILab", "flash_attn", "flash_attn_3", "mamba_ssm", "natten", "torchao", "torchvision",
          "transformers", "xformers")  # fmt: skip
"""Namespaces of operators that come in other packages, which the proofs of their formulas do without."""


def lacks(operator: str, argument: str = "") -> str:
    """Why an operator, or an argument of it, is not tried here: this version of PyTorch has it not; else nothing."""
    packet = operator.partition(".")[0]
    if VERSION.startswith(REFERENCE) or packet.startswith(("higher_order::", *OTHERS)):
        return ""
    schemas = torch._C._jit_get_schemas_for_operator(packet)
    if not schemas:
        return f"PyTorch {VERSION} has no {packet}"
    takes = {a.name for schema in schemas for a in schema.arguments}
    return "" if argument in takes | {""} else f"{packet} of PyTorch {VERSION} takes no {argument}"


def tried(operator: str, *values: Any, argument: str = "") -> Any:
    """A test's parameters, skipped where this version of PyTorch does not have the operator, or not that argument."""
    why = lacks(operator, argument)
    return pytest.param(*(values or (operator,)), marks=[pytest.mark.skip(reason=why)] if why else (), id=operator)
