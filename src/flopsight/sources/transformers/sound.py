"""Audio: spectra and waveforms.   B examples · T frames of a spectrum · M its bands · S samples of a wave"""

from __future__ import annotations

from typing import Any

from flopsight.sources._layouts import Layouts, tensor
from flopsight.sources.transformers.facts import SAMPLING_RATE, Facts
from flopsight.tracing.given.inputs import spec

BANDS = (
    "num_mel_bins", "n_mels", "input_feat_size", "input_feat_per_channel", "feature_projection_input_dim", "input_dim",
    "n_mel_channels", "input_size", "feature_size", "model_in_dim", "mel_dim", "num_mel_channels", "input_feature_dim",
    "semantic_feature_dim", "feat_in", "d_model",
)  # fmt: skip
FRAMES_A_SECOND = 100
CLIP_S = 30.0
SAMPLES = SAMPLING_RATE
LATENTS = 25


def features(facts: Facts) -> Any:
    """A spectrum: as long as the model's positions say, else 30 seconds, 100 frames a second."""
    return Layouts(*(layout for bands in _bands(facts) for layout in _spectra(facts, bands)))


def _bands(facts: Facts) -> list[int]:
    """How many bands a spectrum may have: as the configuration says, else as is usual."""
    return facts.all(*BANDS, of="audio") or [80, 128, 160]


def _spectra(facts: Facts, bands: int) -> list[Any]:
    B, count = facts.batch, frames(facts)
    return [
        spec(B, bands, count),
        spec(B, count, bands),
        spec(B, 1, count, bands),
        spec(bands, B * count),
        spec(B, count // 2, 4 * bands),  # pairs of frames, each with how it changes
    ]


def frames(facts: Facts) -> int:
    """Of a spectrum. Codecs that read the wave too are given pairs of frames, as one, of the same clip."""
    asked = facts.asked_seconds()
    if facts.needs("input_values") and facts.needs("input_features"):
        return _samples(facts) * FRAMES_A_SECOND // SAMPLING_RATE // 2
    if asked is not None:
        return round(asked * FRAMES_A_SECOND)
    positions = facts.read("max_source_positions", of="audio")
    usual = round(CLIP_S * FRAMES_A_SECOND)
    return min(2 * positions, usual) if isinstance(positions, int) else usual


def features_mask(facts: Facts) -> Any:
    """[B, T]: all frames are of the clip."""
    import torch

    full = torch.ones(facts.batch, frames(facts), dtype=torch.int64)
    return full if facts.needs("input_features_mask") else Layouts(full, full.bool(), None)


def no_padding(facts: Facts) -> Any:
    """[B, T]: none of the frames is padding."""
    import torch

    return torch.zeros(facts.batch, frames(facts), dtype=torch.bool)


def lengths(facts: Facts) -> Any:
    """[B]: frames of each clip."""
    import torch

    return torch.full((facts.batch,), frames(facts))


def wave(facts: Facts) -> Any:
    """A waveform, with its channels where the configuration counts them; or the spectrum of one."""
    if facts.read("num_mel_bins") and facts.read("max_length"):
        return spec(facts.batch, facts.config.max_length, facts.config.num_mel_bins)
    channels = facts.read("audio_channels")
    alone, beside = spec(facts.batch, _samples(facts)), spec(facts.batch, channels or 1, _samples(facts))
    return Layouts(beside, alone) if channels or facts.needs("input_features") else Layouts(alone, beside)


def _samples(facts: Facts) -> int:
    if facts.asked_seconds() is None:
        return SAMPLES
    rate = int(facts.read("sampling_rate", "sample_rate", of="audio", default=SAMPLING_RATE))
    return round(facts.seconds() * rate)


def spectrogram(facts: Facts) -> Any:
    """[B, T, M]: what a vocoder makes a waveform of."""
    return Layouts(*(shape for size in _bands(facts) for shape in _spectra(facts, size)[1::-1]))


def latents(facts: Facts) -> Any:
    """[B, width, T]: a second of what a codec decodes."""
    widths = facts.all("latent_dim", "hidden_size", "codebook_dim", "vector_quantization_hidden_dimension", of="audio")
    return Layouts(*(spec(facts.batch, width, LATENTS) for width in widths))


def levels(facts: Facts) -> Any:
    """[B, T, M]: a spectrum, each of whose values is one of a few."""
    return tensor(facts.batch, frames(facts), facts.read("n_mel_bins", of="audio"), dtype="int64")


SOUND = {
    "input_features": features,
    "input_values": wave,
    "input_features_mask": features_mask,
    "feature_attention_mask": features_mask,
    "feature_lens": lengths,
    "chunk_sample_lengths": lengths,
    "spectrogram": spectrogram,
    "mel_spectrogram": spectrogram,
    "audio_mel": spectrogram,
    "audio_mel_mask": no_padding,
    "mask": features_mask,
    "audio_input_ids": levels,
    "latents": latents,
}
"""By the argument of forward."""
