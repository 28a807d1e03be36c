"""As torchvision fills `_ops` of its weights: matrix products and convolutions, in 10^9 multiply-accumulates."""

from __future__ import annotations

from flopsight.conventions import Convention, rules

TORCHVISION = Convention(
    "torchvision",
    "Multiply-accumulates of convolutions and matrix products, attention included; torchvision's `_ops`, there called "
    "GFLOPS.",
    "MACs",
    rules.counting(rules.macs, rules.no_bias, {}),
)
