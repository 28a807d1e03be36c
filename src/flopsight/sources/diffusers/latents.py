"""What a model works on: a picture, a video or sound, or the latents of one."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from flopsight.sources._layouts import Layouts, tensor
from flopsight.sources.diffusers import sizes
from flopsight.sources.diffusers.facts import Facts
from flopsight.tracing.given.inputs import spec

VECTORS = "audio_acoustic_hidden_dim", "hidden_size", "condition_hidden_dim"
"""What configurations call the width of vectors that are read without a time."""

SOUND_LATENTS = 256
LATENTS_PER_SECOND = 25
"""Of sound: as many as a model is given where the user says nothing, and as many as there are to a second."""


def data(facts: Facts) -> Any:
    """Sound, images or videos; or tokens of them."""
    if facts.channels() is None:
        return None
    if facts.dimensions == 1:
        return _sound(facts)
    if "height" in facts.takes:
        height, width = sizes.image(facts)
        return tensor(facts.batch, sizes.frames(facts) * height * width, facts.channels())
    if facts.packed:
        rows, columns = sizes.tokens(facts)
        return tensor(facts.batch, rows * columns, facts.channels())
    return video(facts) if facts.dimensions == 3 else image(facts)


def sample(facts: Facts) -> Any:
    """What an autoencoder or a UNet reads; frame by frame, where it is told how many frames there are."""
    if not facts.encodes and not {"timestep", "timestep_ratio"} & set(facts.takes):
        return None
    if "num_frames" in facts.takes:
        return tensor(facts.batch * sizes.frames(facts), facts.channels(), *sizes.image(facts))
    if facts.encodes and (bins := facts.read("mel_bins")) and "in_channels" in facts.config:
        return tensor(facts.batch, facts.channels(), round(facts.seconds() * 100), bins)
    return data(facts)


def hidden(facts: Facts) -> Any:
    """What a transformer works on; or, for a part of a model that makes vectors of vectors, those."""
    if "proj_embedding" in facts.takes:
        return tensor(facts.batch, facts.read("embedding_dim"))
    if "timestep" in facts.takes or "timesteps" in facts.takes:
        return data(facts)
    B, T, layers = facts.batch, facts.tokens(), facts.read("num_condition_layers", default=1)
    widths = [facts.read(name) for name in VECTORS if facts.read(name)]
    window = facts.read("pool_window_size", default=1)
    shapes = [(B, T, layers * width) for width in widths] + [(B, T // window, window, width) for width in widths]
    return Layouts(*map(spec, shapes)) if widths else None


def image(facts: Facts) -> Any:
    """[B, C, H, W]."""
    return tensor(facts.batch, facts.channels(), *sizes.image(facts))


def video(facts: Facts) -> Any:
    """[B, C, F, H, W], or with frames first or channels last; some autoencoders of videos take pictures only."""
    B, C, F, size = facts.batch, facts.channels(), sizes.frames(facts), sizes.image(facts)
    if "pose_hidden_states" in facts.takes:
        F += 1  # the first is the picture of who is to move
    single = (spec(B, C, 1, *size),) if facts.encodes else ()
    return Layouts(spec(B, C, F, *size), spec(B, F, C, *size), spec(B, F, *size, C), *single)


def video_of(*names: str) -> Callable[[Facts], Any]:
    """[B, C, F, H, W], with as many channels as the configuration calls so."""
    return lambda facts: tensor(facts.batch, facts.read(*names), sizes.frames(facts), *sizes.image(facts))


def latents(facts: Facts) -> Any:
    """Those of a sound or a video; without the masks that are put beside them."""
    if facts.dimensions == 1:
        return tensor(facts.batch, facts.read("latent_channels"), sound_length(facts))
    masks = [name for name in ("condition_mask", "padding_mask") if name in facts.takes]
    channels = facts.read("latent_channels", default=facts.channels())
    return tensor(facts.batch, channels - len(masks), sizes.frames(facts), *sizes.image(facts))


def frame_mask(facts: Facts) -> Any:
    """[B, 1, F, H, W]: which frames are given."""
    return tensor(facts.batch, 1, sizes.frames(facts), *sizes.image(facts))


def _sound(facts: Facts) -> Any:
    """[B, C, length], with channels last, or without any."""
    B, C, length = facts.batch, facts.channels(), sound_length(facts)
    return Layouts(spec(B, C, length), spec(B, length, C), spec(B, length))


def sound_length(facts: Facts) -> int:
    """Samples, or latents."""
    if facts.encodes:
        return int(facts.read("sampling_rate", "sample_rate") * facts.seconds())
    asked = facts.size("audio_s")
    return int(asked * LATENTS_PER_SECOND if asked else facts.read("sample_size", default=SOUND_LATENTS))


def features(facts: Facts) -> Any:
    """What `x` stands for: pictures without a batch, pictures, or vectors."""
    if "cap_feats" in facts.takes:
        return [tensor(facts.channels(), 1, *sizes.image(facts)) for _ in range(facts.batch)]
    if facts.read("in_channels"):
        return tensor(facts.batch, facts.channels(), *(facts.size("image") or sizes.VAE_IMAGE))
    width = facts.read("redux_dim", "hidden_size")
    return Layouts(spec(facts.batch, width), spec(facts.batch, facts.tokens(), width)) if width else None


def condition(facts: Facts) -> Any:
    """A picture in pixels for a UNet, which makes latents of it; for a transformer, as what it works on."""
    if not facts.unet:
        return data(facts)
    channels = facts.read("conditioning_channels", "ctrl_conditioning_channels", default=3)
    height, width = sizes.image(facts)
    if facts.dimensions == 3:
        return tensor(facts.batch, channels, sizes.frames(facts), height, width)
    return tensor(facts.batch, channels, sizes.LATENT * height, sizes.LATENT * width)


def padding(facts: Facts) -> Any:
    """[1, 1, H, W] of the picture: nothing is padded."""
    height, width = sizes.image(facts)
    return tensor(1, 1, sizes.LATENT * height, sizes.LATENT * width)


def faces(facts: Facts) -> Any:
    """[B, 3, frames of the video, H, W]: the face that moves."""
    side = facts.read("motion_encoder_size")
    return tensor(facts.batch, 3, 4 * (sizes.frames(facts) - 1) + 1, side, side)


LATENTS = {
    "sample": sample,
    "hidden_states": hidden,
    "latents": latents,
    "z": video_of("latent_channels"),
    "x": features,
    "mel": lambda facts: tensor(facts.batch, facts.read("num_mels"), sound_length(facts)),
    "image_latents": data,
    "effnet": lambda facts: tensor(facts.batch, facts.read("effnet_in_channels"), *sizes.compact(facts)),
    "controlnet_cond": condition,
    "controls_latents": latents,
    "condition_mask": frame_mask,
    "conditioning_mask": frame_mask,
    "control_hidden_states": video_of("vace_in_channels"),
    "pose_hidden_states": video_of("latent_channels"),
    "face_pixel_values": faces,
    "padding_mask": padding,
    "audio_hidden_states": lambda facts: tensor(
        facts.batch, SOUND_LATENTS, facts.read("audio_in_channels", "in_audio_dim")
    ),
}
"""By the argument of forward: a function of the facts that gives a tensor to come, or None where it cannot tell."""
