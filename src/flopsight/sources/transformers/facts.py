"""What a recipe may ask: what forward takes, what the configuration says, and the sizes that the user set."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from flopsight.sources import Sizes

TOKENS = 128
IMAGE = 224
AUDIO_S = 1.0
FRAMES = 16
SAMPLING_RATE = 16_000

PARTS = {
    "text": ("text", "llm", "language", "decoder", "thinker"),
    "vision": ("vision", "image", "visual", "backbone", "vit", "encoder", "detector", "thinker"),
    "audio": ("audio", "speech", "sound", "encoder", "thinker"),
}
"""Words in the names of a configuration's parts, by what they read."""


class Facts:
    """A model and the sizes asked for; `used` collects the sizes that a recipe has read."""

    def __init__(self, model: Any, sizes: Sizes) -> None:
        self.model = model
        self.config = model.config
        self.used: set[str] = set()
        self._sizes = sizes
        forward = inspect.signature(model.forward).parameters.values()
        variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
        self.takes = {p.name: p for p in forward if p.kind not in variadic}
        main = getattr(model, "main_input_name", None) or ()
        self.main = {main} if isinstance(main, str) else set(main)

    def needs(self, name: str) -> bool:
        """Whether forward cannot be called without an argument, or reads it first."""
        return name in self.main or (name in self.takes and self.takes[name].default is inspect.Parameter.empty)

    def read(self, *names: str, of: str = "", default: Any = None) -> Any:
        """The first of these that the configuration, or its part that reads text, vision or audio, has set."""
        for config in self.parts(of):
            for name in names:
                found = config.get(name) if isinstance(config, dict) else getattr(config, name, None)
                if found is not None:
                    return found
        return default

    def parts(self, of: str) -> list[Any]:
        """The configuration's parts of that kind, the configuration itself, and the parts of its other parts."""
        own = list(_inside(self.config))
        named = [part for name, part in own if any(word in name for word in PARTS.get(of, ()))]
        deeper = [part for outer in named for name, part in _inside(outer) if any(w in name for w in PARTS[of])]
        return [*named, self.config, *deeper]

    def _size(self, name: str) -> Any:
        self.used.add(name)
        return getattr(self._sizes, name)

    @property
    def batch(self) -> int:
        """Examples at a time."""
        return self._size("batch") or 1

    def tokens(self) -> int:
        """Tokens of text: as asked for, or what the positions of the model allow."""
        if (asked := self._size("seq")) is not None:
            return int(asked)
        most = self.read("max_position_embeddings", of="text")
        return min(TOKENS, most) if isinstance(most, int) and most > 0 else TOKENS

    def image(self) -> tuple[int, int]:
        """Height and width of an image."""
        if (asked := self._size("image")) is not None:
            return tuple(asked)  # type: ignore[return-value]
        found = self.read("image_size", "img_size", "input_size", of="vision", default=IMAGE)
        if isinstance(found, dict):
            found = [found[side] for side in ("height", "width") if side in found] or IMAGE
        if isinstance(found, (int, float)):
            return int(found), int(found)
        height, width = tuple(found)[-2:] if len(found) > 1 else (found[0], found[0])
        return int(height), int(width)

    def patches(self) -> tuple[int, int]:
        """Rows and columns of an image cut into patches, in whole groups where the model merges them."""
        side, merge = self.patch(), self.merge()
        height, width = (max(1, size // side // merge) * merge for size in self.image())
        return height, width

    def patch(self) -> int:
        """A patch's side in pixels."""
        found = self.read("spatial_patch_size", "patch_size", of="vision", default=16)
        return int(found if isinstance(found, int) else tuple(found)[-1])

    def merge(self) -> int:
        """How many patches become one along a side."""
        found = self.read(
            "spatial_merge_size", "merge_size", "merge_kernel_size", "pooling_kernel_size", "downsample_factor",
            of="vision", default=1,
        )  # fmt: skip
        return int(found if isinstance(found, int) else tuple(found)[-1])

    def channels(self) -> int:
        """Colours of an image."""
        found = self.read("num_channels", "in_channels", "in_chans", "num_image_channels", of="vision", default=3)
        return int(found)

    def seconds(self, default: float = AUDIO_S) -> float:
        """Seconds of audio."""
        asked = self._size("audio_s")
        return default if asked is None else float(asked)

    def asked_seconds(self) -> float | None:
        """Seconds of audio, if the user said."""
        return self._size("audio_s")  # type: ignore[no-any-return]

    def frames(self) -> int:
        """Images of a video."""
        asked = self._size("frames")
        return int(asked or self.read("num_frames", "frames_per_clip", "max_num_frames", of="vision", default=FRAMES))

    def vocabulary(self) -> int:
        """Ids of text."""
        found = self.read("vocab_size", of="text", default=2)
        return int(found) if isinstance(found, int) else 2


def _inside(config: Any) -> Iterator[tuple[str, Any]]:
    """The configurations inside of a configuration, by name."""
    for name, value in vars(config).items() if not isinstance(config, dict) else config.items():
        if hasattr(value, "model_type") or (isinstance(value, dict) and name.endswith("config")):
            yield name, value
