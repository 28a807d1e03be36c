"""What a recipe may ask: what forward takes, what the configuration says, and the sizes that the user set."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import Any

from flopsight.errors import InputError
from flopsight.sources import Sizes

TOKENS = 128
IMAGE = 224
AUDIO_S = 1.0
FRAMES = 16
SAMPLING_RATE = 16_000
ASIDE = 8

PARTS = {
    "text": ("text", "llm", "language", "decoder", "thinker", "vlm"),
    "vision": ("vision", "image", "visual", "backbone", "vit", "encoder", "detector", "thinker", "vlm"),
    "audio": ("audio", "speech", "sound", "semantic", "dit", "encoder", "thinker"),
}
"""Words in the names of a configuration's parts, by what they read."""


class Facts:
    """A model and the sizes asked for; `used` collects the sizes that a recipe has read.

    features: how many a tower makes of its inputs, by the identities of these, once found.
    """

    def __init__(self, model: Any, sizes: Sizes) -> None:
        self.model = model
        self.config = model.config
        self.name = type(model).__name__
        self.used: set[str] = set()
        self.features: dict[tuple[int, ...], int | None] = {}
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

    def all(self, *names: str, of: str) -> list[Any]:
        """Everything that the configuration has set under these names, without repeating."""
        found = [self.read(name, of=of) for name in names]
        return list(dict.fromkeys(value for value in found if isinstance(value, int)))

    def lacks(self, of: str) -> bool:
        """Whether the configuration has a place for a tower that reads vision or audio, and leaves it empty."""
        return any(getattr(self.config, f"{of}_{name}", self) is None for name in ("config", "tower_config"))

    def parts(self, of: str) -> list[Any]:
        """The configuration's parts of that kind, itself, and their parts; for text, itself first."""
        own = list(_inside(self.config))
        named = [part for name, part in own if any(word in name for word in PARTS.get(of, ()))]
        deeper = [part for outer in named for name, part in _inside(outer) if any(w in name for w in PARTS[of])]
        return [self.config, *named, *deeper] if of == "text" else [*named, self.config, *deeper]

    def _size(self, name: str) -> Any:
        self.used.add(name)
        return getattr(self._sizes, name)

    @property
    def batch(self) -> int:
        """Examples at a time."""
        return self._size("batch") or 1

    def tokens(self) -> int:
        """Tokens of text: as asked for, or what the positions of the model allow."""
        asked, most = self._size("seq"), self.read("max_position_embeddings", of="text")
        if asked is None:
            return min(TOKENS, most) if isinstance(most, int) and most > 0 else TOKENS
        if isinstance(most, int) and asked > most and self._learned(most):
            raise InputError(f"--seq {asked} is more than the {most} positions that {self.name} has learned.")
        return int(asked)

    def _learned(self, positions: int) -> bool:
        """Whether a table has a vector for each of so many positions, and a few that some models keep aside."""
        from torch import nn

        tables = [(name, m) for name, m in self.model.named_modules() if isinstance(m, nn.Embedding)]
        named = [table.num_embeddings for name, table in tables if re.search(r"pos|wpe", name.rpartition(".")[2])]
        return any(positions <= rows <= positions + ASIDE for rows in named)

    def image(self) -> tuple[int, int]:
        """Height and width of an image."""
        if (asked := self._size("image")) is not None:
            height, width = asked
            return height, width
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
