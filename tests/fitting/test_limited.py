"""The largest batch named runs under a real limit of memory, and the next one does not."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import limited
import pytest
import torch

import flopsight

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="limits the address space as Linux and glibc have it")
LIMITS = {"Blocks": 146 * 2**20, "Attention": 145 * 2**20}


@pytest.mark.parametrize("name", LIMITS)
def test_the_largest_batch_runs_and_the_next_does_not(name):
    made, limit_bytes = limited.MODELS[name], LIMITS[name]
    how = {"backward": True, "loss": limited.loss, "optimizer": torch.optim.AdamW}
    fit = flopsight.fit(made, ("batch", *made.shape), memory_bytes=limit_bytes, **how)
    batch = fit.as_given.largest_batch
    over = flopsight.profile(made(), (batch + 1, *made.shape), memory=True, **how).memory.peak_bytes - limit_bytes
    assert over > limited.MARGIN_BYTES, "choose another limit: the next batch is to be over by more than the margin"
    run = subprocess.run(
        [sys.executable, limited.__file__, name, str(limit_bytes), str(batch), str(batch + 1)],
        env={**os.environ, **limited.ENVIRONMENT},
        capture_output=True,
        text=True,
        cwd=Path(limited.__file__).parent,
    )
    assert run.stdout.split("\n")[:2] == [f"{batch} True", f"{batch + 1} False"], run.stderr
