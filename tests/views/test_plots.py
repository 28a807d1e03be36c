"""Drawings: lengths, areas and words are those of the profile."""

from __future__ import annotations

import builtins
import io
import os
import subprocess
import sys

import handmade
import pytest
from handmade import K, M, N
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

import flopsight
from flopsight.errors import InputError, MissingLibraryError
from flopsight.profiles import Profile
from flopsight.views.axes import PALETTE
from flopsight.views.plots import kinds, plot

HOSTILE = "a$\\frac{$<b>\n\x1b[2J"
COUNTED = ["families", "modules", "treemap"]


def drawn(axes: Axes) -> bytes:
    """The picture, so that everything on it was drawn."""
    stream = io.BytesIO()
    axes.figure.savefig(stream)
    return stream.getvalue()


def words(axes: Axes) -> list[str]:
    ticks = [label.get_text() for label in axes.get_yticklabels()]
    return [axes.get_title(), *ticks, *(text.get_text() for text in axes.texts)]


def bars(axes: Axes) -> dict[str, float]:
    """The lengths of bars, all colours of one together, by their names."""
    names = [label.get_text() for label in axes.get_yticklabels()]
    lengths = dict.fromkeys(names, 0.0)
    for patch in axes.patches:
        lengths[names[round(patch.get_y() + patch.get_height() / 2)]] += patch.get_width()
    return lengths


def models() -> Profile:
    """Modules with three, two and one product of the same kind."""
    modules = [handmade.module(path, "Linear") for path in ("", "a", "b", "c")]
    return handmade.profile(modules, [(handmade.linear(), path) for path in "aaabbc"])


@pytest.mark.parametrize("kind", COUNTED)
@pytest.mark.parametrize("made", [handmade.classifier, handmade.stack, models])
@pytest.mark.parametrize("quantity", [None, "exact", "bytes", "operators", "thop"])
def test_every_kind_draws_every_quantity(kind: str, made, quantity: str | None) -> None:
    profile = made()
    axes = profile.plot(kind, quantity=quantity)
    assert axes.get_title().startswith("Net: " if made is not models else "Linear: ")
    assert drawn(axes)


def test_bars_are_as_long_as_what_modules_have() -> None:
    each = M * K * N
    assert bars(models().plot("modules")) == {"a": 3 * each, "b": 2 * each, "c": each}
    assert bars(models().plot("modules", top=1)) == {"a": 3 * each, "the rest": 3 * each}
    assert bars(handmade.stack(3).plot("modules")) == {
        "layers.0-2 (3 x) (own code)": 3 * each, "layers.0-2.fc (3 x)": 3 * each
    }  # fmt: skip
    assert bars(handmade.stack(3).plot("modules", quantity="params")) == {"layers.0-2.fc (3 x)": 3 * N * K}
    assert bars(handmade.stack(3).plot("modules", depth=0)) == {"Net": 6 * each}
    assert " 1.536 k, 50.0%" in words(models().plot("modules"))
    assert models().plot("modules").get_title() == "Linear: 3.072 k MACs"
    assert models()["a"].plot("modules").get_title() == "Linear, module a: 1.536 k MACs"


def test_families_are_told_by_phase() -> None:
    product = handmade.linear()
    modules = [handmade.module("", "Net")]
    profile = handmade.profile(modules, [(product, "", 0), (product, "", 1), (handmade.relu(M, N), "", 1)])
    axes = profile.plot("families", quantity="exact")
    assert bars(axes) == {"contraction": 2 * M * N * 2 * K, "activation": M * N}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["forward", "backward"]
    assert [patch.get_width() for patch in axes.patches][::2] == [M * N * 2 * K, M * N * 2 * K]
    assert [patch.get_x() for patch in axes.patches] == [0, 0, M * N * 2 * K, 0]
    assert handmade.classifier().plot("families").get_legend() is None
    assert bars(handmade.classifier().plot("families")) == {"contraction": M * K * N}


def areas(axes: Axes) -> dict[str, float]:
    """The areas of rectangles with a name, as shares of that of the whole drawing."""
    whole = axes.get_xlim()[1] * axes.get_ylim()[1]
    found = {}
    for text in axes.texts:
        patch = next(patch for patch in reversed(axes.patches) if patch.contains_point(
            axes.transData.transform(text.get_position()), radius=-1e-9
        ))  # fmt: skip
        assert isinstance(patch, Rectangle)
        found[text.get_text().partition("  ")[0]] = patch.get_width() * patch.get_height() / whole
    return found


def test_rectangles_are_as_large_as_what_modules_have() -> None:
    assert areas(models().plot()) == pytest.approx({"a": 1 / 2, "b": 1 / 3, "c": 1 / 6})
    assert words(models().plot())[-3:] == ["a  50.0%", "b  33.3%", "c  16.7%"]
    assert areas(models().plot(top=1)) == pytest.approx({"a": 1 / 2, "the rest": 1 / 2})


def test_rectangles_are_in_those_around_them() -> None:
    axes = handmade.stack(3).plot()
    outer, *inner = axes.patches
    assert [text.get_text() for text in axes.texts] == [
        "layers.0-2 (3 x)  100.0%", "fc  50.0%", "(own code)  50.0%"
    ]  # fmt: skip
    for patch in inner:
        assert outer.get_x() < patch.get_x()
        assert patch.get_x() + patch.get_width() < outer.get_x() + outer.get_width()
        assert patch.get_height() == pytest.approx(inner[0].get_height())
    assert len(handmade.stack(3).plot(depth=1).patches) == 1


def test_colours_are_of_the_first_level_that_divides() -> None:
    colors = [patch.get_facecolor() for patch in handmade.stack(3).plot().patches]
    assert len(set(colors)) == 3
    assert len({patch.get_facecolor() for patch in models().plot().patches}) == 3


def luminance(color: object) -> float:
    """As the Web Content Accessibility Guidelines have it."""
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_letters_can_be_read_on_every_colour() -> None:
    modules = [handmade.module(name, "Linear") for name in ["", *"abcdefg"]]
    axes = handmade.profile(modules, [(handmade.linear(), node.path) for node in modules[1:]]).plot()
    assert len(axes.patches) == len(axes.texts) == len(PALETTE)
    for patch, letters in zip(axes.patches, axes.texts, strict=True):
        lighter, darker = sorted([luminance(patch.get_facecolor()[:3]), luminance(letters.get_color())], reverse=True)
        assert (lighter + 0.05) / (darker + 0.05) > 4.5


def test_lower_bounds_are_said_in_the_title() -> None:
    profile = handmade.profile([handmade.module("", "Net")], [(handmade.linear(), ""), (handmade.unknown(), "")])
    for kind in COUNTED:
        assert profile.plot(kind).get_title() == "Net: >= 512 MACs\nlower bound: 1 operator unknown"
    moved = 4 * (N + M * K + K * N + M * N) + 4 * 2 * M * N
    assert profile.plot("families", quantity="bytes").get_title() == f"Net: {moved / 1024:.2f} KiB read and written"


@pytest.mark.parametrize("kind", COUNTED)
def test_names_are_shown_as_they_are(kind: str) -> None:
    modules = [handmade.module("", HOSTILE), handmade.module(HOSTILE, HOSTILE)]
    axes = handmade.profile(modules, [(handmade.linear(), HOSTILE)]).plot(kind)
    assert drawn(axes)
    assert all("\x1b" not in text for text in words(axes))
    assert axes.get_title().startswith("a$\\frac{$<b>\\n\\x1b[2J: 512 MACs")


def followed() -> Profile:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(64, 64), torch.nn.ReLU(), torch.nn.Linear(64, 8))
    return flopsight.profile(model, (32, 64), backward=True, optimizer=torch.optim.SGD, memory=True)


def test_memory_is_drawn_over_the_run() -> None:
    profile = followed()
    axes = profile.plot("memory")
    (curve, peak) = axes.lines
    assert tuple(curve.get_ydata()) == profile.memory.timeline
    assert set(peak.get_ydata()) == {profile.memory.peak_bytes}
    assert [text.get_text() for text in axes.get_legend().get_texts()] == ["forward", "backward", "optimizer"]
    assert "peak: " in axes.texts[0].get_text()
    assert drawn(axes)
    assert words(axes)[2:5] == ["0 B", "8.0 KiB", "16.0 KiB"]


def test_axes_may_be_given() -> None:
    given = Figure().subplots()
    assert handmade.classifier().plot("modules", axes=given) is given


def test_a_figure_is_pyplots_where_that_is_in_use() -> None:
    code = (
        "import sys; from flopsight.views.axes import new_axes; new_axes(); print('matplotlib.pyplot' in sys.modules)\n"
        "from matplotlib import pyplot; print(new_axes().figure is pyplot.gcf())"
    )
    surroundings = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, env=surroundings)
    assert done.stdout.split() == ["False", "True"]


@pytest.mark.parametrize(("kind", "options", "said"), [
    ("treemaps", {}, r"no drawing 'treemaps'; there are families, .*roofline\(device\).*Did you mean 'treemap'"),
    ("modules", {"quantity": "mac"}, "no column 'mac'.*Did you mean 'macs'"),
    ("modules", {"quantity": "class"}, "'class' is no quantity that adds up"),
    ("treemap", {"quantity": "calls"}, "'calls' is no quantity that adds up"),
    ("treemap", {"quantity": "share"}, "name that: quantity='macs'"),
    ("families", {"quantity": "params"}, "Operators hold no params"),
    ("families", {"depth": 2}, "'families' has no depth; leave it out"),
    ("memory", {"quantity": "macs"}, "'memory' has no quantity"),
    ("memory", {}, "memory of Net was not followed"),
    ("treemap", {"depth": 0}, "depth and a top of 1 or more; these are 0"),
    ("treemap", {"top": 0}, "depth and a top of 1 or more; these are 1 and 0"),
    ("modules", {"top": 0}, "The top 0 rows"),
    ("treemap", {"quantity": "buffers"}, "Net has no buffers; draw another quantity"),
])  # fmt: skip
def test_mistakes_get_a_sentence(kind: str, options, said: str) -> None:
    with pytest.raises(InputError, match=said):
        plot(handmade.classifier(), kind, **options)


def test_nothing_is_drawn_well() -> None:
    for kind in ("modules", "families"):
        assert drawn(handmade.empty().plot(kind))
    with pytest.raises(InputError, match="Identity has no exact operations"):
        handmade.empty().plot()


def test_kinds_are_all_there_are() -> None:
    assert kinds() == ["families", "memory", "modules", "treemap"]


@pytest.mark.parametrize(("library", "kind"), [("squarify", "treemap"), ("matplotlib.figure", "modules")])
def test_what_is_missing_is_said(monkeypatch: pytest.MonkeyPatch, library: str, kind: str) -> None:
    load = builtins.__import__

    def without(name, *rest):
        if name == library:
            raise ModuleNotFoundError(f"No module named {library!r}", name=library)
        return load(name, *rest)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(MissingLibraryError, match=r"pip install 'flopsight\[plot\]'"):
        handmade.classifier().plot(kind)
