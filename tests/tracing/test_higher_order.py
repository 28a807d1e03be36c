from __future__ import annotations

from typing import Any

import torch
from torch.nn.attention import flex_attention as module
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

import flopsight

SHAPES = [(2, 4, 256, 16)] * 3


def profiled(**more: Any) -> flopsight.Profile:
    def attend(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> Any:
        return flex_attention(q, k, v, **more)

    return flopsight.profile(attend, SHAPES)


def test_flex_attention_is_dense_without_a_mask() -> None:
    profile = profiled()
    switch = getattr(module, "_FLEX_ATTENTION_DISABLE_COMPILE_DEBUG", False)  # not in PyTorch 2.6
    assert not switch, "as it was"
    assert profile.macs == profile.effective_macs == 2 * 4 * 256 * 256 * (16 + 16)
    assert not profile.unknown


def test_blocks_that_the_mask_leaves_out_are_not_effective() -> None:
    mask = create_block_mask(lambda b, h, q, k: q >= k, None, None, 256, 256, device="cpu")
    profile = profiled(block_mask=mask)
    assert profile.macs == 2 * 4 * 256 * 256 * (16 + 16)
    assert profile.effective_macs == profile.macs * 3 // 4, "of 2 x 2 blocks of 128, one lies above the diagonal"


def test_a_mask_for_each_head() -> None:
    mask = create_block_mask(lambda b, h, q, k: (q >= k) | (h > 1), 1, 4, 256, 256, device="cpu")
    profile = profiled(block_mask=mask)
    assert profile.effective_macs == profile.macs * (3 + 3 + 4 + 4) // 16
