"""Audio: spectra and waveforms.   B examples · T frames of a spectrum · M its bands · S samples of a wave"""

from __future__ import annotations

from typing import Any

from flopsight.sources.transformers.facts import SAMPLING_RATE, Facts
from flopsight.sources.transformers.layouts import Layouts
from flopsight.tracing.inputs import spec

FRAMES_A_SECOND = 100
CLIP_S = 30.0


def features(facts: Facts) -> Any:
    """A spectrum: as long as the model's positions say, else 30 seconds, 100 frames a second."""
    bands = facts.read(
        "num_mel_bins", "n_mels", "input_feat_size", "input_feat_per_channel", "feature_projection_input_dim",
        "input_dim", "n_mel_channels", "input_size", "feature_size", of="audio", default=80,
    )  # fmt: skip
    frames = _frames(facts)
    B = facts.batch
    return Layouts(spec(B, bands, frames), spec(B, frames, bands), spec(B, 1, frames, bands), spec(bands, B * frames))


def _frames(facts: Facts) -> int:
    asked = facts.asked_seconds()
    if asked is not None:
        return round(asked * FRAMES_A_SECOND)
    positions = facts.read("max_source_positions", of="audio")
    return 2 * positions if isinstance(positions, int) else round(CLIP_S * FRAMES_A_SECOND)


def features_mask(facts: Facts) -> Any:
    """[B, T]: all frames are of the clip."""
    import torch

    return torch.ones(facts.batch, _frames(facts), dtype=torch.int64)


def lengths(facts: Facts) -> Any:
    """[B]: frames of each clip."""
    import torch

    return torch.full((facts.batch,), _frames(facts))


def wave(facts: Facts) -> Any:
    """A waveform, with its channels where the model has convolutions over them; or the spectrum of one."""
    rate = facts.read("sampling_rate", "sample_rate", of="audio", default=SAMPLING_RATE)
    samples = round(facts.seconds() * SAMPLING_RATE) if facts.asked_seconds() is None else round(facts.seconds() * rate)
    block = facts.read("hop_length", of="audio")
    B = facts.batch
    if facts.read("num_mel_bins") and facts.read("max_length"):
        return spec(B, facts.config.max_length, facts.config.num_mel_bins)
    channels = facts.read("audio_channels", default=1)
    return Layouts(spec(B, channels, samples), spec(B, samples)) if facts.read("audio_channels") else Layouts(
        spec(B, samples), spec(B, channels, samples)
    )


SOUND = {
    "input_features": features,
    "input_values": wave,
    "input_features_mask": features_mask,
    "feature_attention_mask": features_mask,
    "feature_lens": lengths,
}
"""By the argument of forward."""
