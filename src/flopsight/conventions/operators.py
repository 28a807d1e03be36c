"""The operators that conventions tell apart, by what they do."""

from __future__ import annotations


def _aten(names: str) -> tuple[str, ...]:
    return tuple(f"aten::{name}" for name in names.split())


BATCH_NORMS = _aten(
    "batch_norm native_batch_norm _native_batch_norm_legit _native_batch_norm_legit_functional "
    "_native_batch_norm_legit_no_training _batch_norm_with_update _batch_norm_no_update cudnn_batch_norm "
    "miopen_batch_norm"
)
LAYER_NORMS = _aten("layer_norm native_layer_norm")
GROUP_NORMS = _aten("group_norm native_group_norm")
RMS_NORMS = _aten("rms_norm _fused_rms_norm")
AVERAGE_POOLS = _aten("avg_pool1d avg_pool2d avg_pool3d")
ADAPTIVE_AVERAGE_POOLS = _aten("_adaptive_avg_pool2d _adaptive_avg_pool3d")
MAX_POOLS = _aten("max_pool1d max_pool2d max_pool3d max_pool2d_with_indices max_pool3d_with_indices")
ADAPTIVE_MAX_POOLS = _aten("adaptive_max_pool2d adaptive_max_pool3d")
SOFTMAXES = _aten("softmax _softmax _safe_softmax log_softmax _log_softmax")
NEAREST = _aten("upsample_nearest1d upsample_nearest2d upsample_nearest3d")
UPSAMPLES = NEAREST + _aten(
    "upsample_linear1d upsample_bilinear2d upsample_bicubic2d upsample_trilinear3d _upsample_bilinear2d_aa "
    "_upsample_bicubic2d_aa _upsample_nearest_exact1d _upsample_nearest_exact2d _upsample_nearest_exact3d"
)
PRELUS = _aten("prelu _prelu_kernel")

NORMS = BATCH_NORMS + LAYER_NORMS + GROUP_NORMS + RMS_NORMS
POOLS = AVERAGE_POOLS + ADAPTIVE_AVERAGE_POOLS + MAX_POOLS + ADAPTIVE_MAX_POOLS

POOLS_2D = tuple(name for name in POOLS if "pool2d" in name)
