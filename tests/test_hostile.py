"""Files, names and options from someone who means harm, or made a mess: one sentence, and nothing printed raw."""

from __future__ import annotations

import copy
import csv
import gzip
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import handmade
import pytest
from command_line import refused, run
from torch import nn

import flopsight
from flopsight import cli, saving, units, views
from flopsight.cli import _model
from flopsight.errors import InputError, ProfileFormatError
from flopsight.profiles import Profile
from flopsight.views.explanation import markdown

ESCAPES = "\x1b[2J\x1b]0;owned\x07\x9b31m\u202egpj.exe\u2066\r\n\x00\ud800"
"""Clears the screen, sets the title, turns writing around, starts a line, ends a C string; half a character."""

HUGE = 10**4000


def saved() -> dict[str, Any]:
    """A sound profile with something in every field."""
    modules = [
        handmade.module("", "Net"),
        handmade.module("a", "Linear", handmade.parameter("weight", 4, 8, identity=1)),
        handmade.module("b", "ReLU"),
    ]
    calls = [(handmade.linear(), "a"), (handmade.relu(4, 16), "b"), (handmade.unknown(), "")]
    data = handmade.profile(modules, calls, notes=["Assumed."]).to_dict()
    data["operations"][0]["inputs"]["list"] = {"list": [[[2], "float32"], [[3], "float32", 1]]}
    data["operations"][0]["arguments"] = {"dim": [1, -1], "value": float("-inf"), "name": None, "keep": True}
    data["about"] = {"inputs": ["float32[4, 8]", {"mask": [1]}], "address": "net.py:Net"}
    copied: dict[str, Any] = json.loads(json.dumps(data))
    return copied


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The way to every value in `value`, itself included."""
    yield path
    for key, item in value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ():
        yield from places(item, (*path, key))


def put(data: dict[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    """A copy of `data` with another value at `path`."""
    if not path:
        return value
    made = copy.deepcopy(data)
    inner: Any = made
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    return made


def without(data: dict[str, Any], path: tuple[Any, ...]) -> Any:
    """A copy of `data` without what is at `path`."""
    made = copy.deepcopy(data)
    inner: Any = made
    for key in path[:-1]:
        inner = inner[key]
    del inner[path[-1]]
    return made


def nested(depth: int) -> Any:
    value: Any = []
    for _ in range(depth):
        value = [value]
    return value


WRONG = [-1, 10**9, HUGE, -HUGE, 1.5, float("nan"), float("inf"), "1", "", ESCAPES, None, True, [], {}, [[]],
         nested(200), {"list": nested(60)}, "a.b" * 300, "9" * 5000, "=1+1"]  # fmt: skip


def rendered(profile: Profile) -> None:
    """Every view of it, each of which is fit to print."""
    for name in views.names():
        for by in ("module", "operator", "dtype"):
            shown = views.get(name).render(profile, by=by)
            assert all(line.isprintable() for line in shown.split("\n")), (name, by)
    explained = profile.explain("macs", "weights", "exact")
    assert all(line.isprintable() for line in f"{explained}\n{markdown(explained)}".split("\n"))


@pytest.mark.parametrize("wrong", WRONG, ids=lambda value: repr(value)[:20])
def test_each_value_of_a_saved_profile_may_be_wrong(wrong) -> None:
    data = saved()
    rendered(Profile.from_dict(data))
    told = shown = 0
    for path in places(data):
        try:
            profile = Profile.from_dict(put(data, path, wrong))
        except ProfileFormatError as error:
            told += 1
            assert len(str(error)) < 300
            continue
        shown += 1
        rendered(profile)
    assert told > 20
    assert told + shown == len(list(places(data)))


def test_each_field_of_a_saved_profile_may_be_missing() -> None:
    data, missing = saved(), []
    for path in places(data):
        if path and isinstance(path[-1], str):
            try:
                rendered(Profile.from_dict(without(data, path)))
            except ProfileFormatError as error:
                missing.append(str(error))
    assert len(missing) > 30
    assert "This saved profile is damaged: operations[1].cost is missing." in missing


@pytest.mark.parametrize(("path", "wrong", "sentence"), [
    (("calls", 0, 0), -1, "calls[0] should be an operation, a scope and a phase, as indices, and is [-1, 1, 0]"),
    (("calls", 0, 1), 99, "calls[0] should be"),
    (("calls", 0, 2), 4, "calls[0] should be"),
    (("calls", 0), [0, 0], "calls[0] should be"),
    (("scopes", 1, 1), 1, "scopes[1][1] should be the index of an earlier scope, or -1, and is 1"),
    (("scopes", 1, 1), -2, "scopes[1][1] should be"),
    (("scopes", 1, 0), "c", "scopes[1][0] should be one of the modules, and is 'c'"),
    (("modules", 2, "path"), "a", "modules has 'a' twice"),
    (("root",), "c", "root should be one of the modules"),
    (("operations", 0, "cost", "macs"), -5, "operations[0].cost.macs should be a whole number from 0"),
    (("operations", 0, "cost", "macs"), float("nan"), "operations[0].cost.macs should be a whole number from 0"),
    (("operations", 0, "cost", "macs"), "512", "operations[0].cost.macs should be a whole number from 0"),
    (("operations", 0, "cost", "joules"), 5, "unexpected keyword argument 'joules'"),
    (("operations", 0, "outputs", 0, 0), [2**40] * 1000, "a tensor with fewer than 10**60 elements"),
    (("modules", 1, "path"), "a." * 5000, "a module at most 200 deep"),
    (("about", "more"), nested(100), "about.more should be nested at most 50 deep"),
    (("format",), True, "no saved profile"),
    (("format",), 0, "no saved profile"),
    (("format",), 10**3999, "no saved profile"),
])  # fmt: skip
def test_a_damaged_profile_says_where(path, wrong, sentence) -> None:
    with pytest.raises(ProfileFormatError) as raised:
        Profile.from_dict(put(saved(), path, wrong))
    assert sentence in str(raised.value)


@pytest.mark.parametrize("content", [
    b"", b"\x00" * 100, b"\x7fELF\x02\x01", b"\xff\xfe\x00", b"\x1f\x8b\x08garbage", b"null", b"[" * 100_000,
    b'{"a":' * 100_000, b'{"format": ' + b"9" * 5000 + b"}", b'{"format": NaN}', b'{"format": "1"}',
    b'{"format": 1, "format": 1}', b'{"format": 1e999}', json.dumps(ESCAPES).encode(), ESCAPES.encode(errors="replace"),
    gzip.compress(b"[" * 100_000, mtime=0), gzip.compress(b"{}", mtime=0)[:-4],
], ids=lambda content: repr(content[:12]))  # fmt: skip
def test_any_file_gets_a_sentence(capsys, tmp_path: Path, content) -> None:
    (tmp_path / "x.json").write_bytes(content)
    assert refused(capsys, "show", str(tmp_path / "x.json")).strip().isprintable()
    with pytest.raises(ProfileFormatError):
        flopsight.load(tmp_path / "x.json")


def test_a_folder_gets_a_sentence(capsys, tmp_path: Path) -> None:
    assert "cannot be read: Is a directory" in refused(capsys, "show", str(tmp_path))
    assert refused(capsys, "show", str(tmp_path / ESCAPES[:-2])).strip().isprintable()


def test_a_profile_that_a_convention_cannot_count_gets_a_sentence(capsys, tmp_path: Path) -> None:
    data = saved()
    data["operations"][1] |= {"operator": "aten::_softmax.default", "family": "softmax", "arguments": {}}
    (tmp_path / "x.json").write_text(json.dumps(data))
    assert run(capsys, "show", str(tmp_path / "x.json"))[0] == 0
    sentence = refused(capsys, "show", str(tmp_path / "x.json"), "--count", "thop")
    assert "cannot be shown this way (KeyError: 'dim')" in sentence


def named(name: str) -> Profile:
    """A profile in which every name that a model or file can choose is this one."""
    data = saved()
    data["model"] = data["operations"][2]["operator"] = data["operations"][0]["family"] = name
    data["modules"][1]["path"] = data["scopes"][1][0] = data["operations"][2]["site"] = name.replace(".", "")
    data["modules"][1]["kind"] = data["operations"][1]["dtype"] = data["notes"][0] = name
    data["about"] = {"inputs": [name], "address": name}
    return Profile.from_dict(data)


def test_names_reach_no_terminal_raw(capsys, tmp_path: Path) -> None:
    profile = named(ESCAPES)
    rendered(profile)
    assert r"\x1b[2J" in str(profile)
    profile.save(tmp_path / "x.json")
    code, out, err = run(capsys, "show", str(tmp_path / "x.json"), "--by", "module")
    assert (code, err) == (0, "")
    assert all(line.isprintable() for line in out.split("\n"))


def test_text_of_rich_in_a_name_is_text() -> None:
    profile = named("[bold]a[/nothing]")
    assert "[bold]a[/nothing]" in str(profile)
    assert "[bold]a[/nothing]: what each convention counts" in str(profile.explain())


def test_a_name_stays_in_its_cell_of_markdown() -> None:
    profile = named("a|b\nc")
    plain = named("abc")
    for by in ("module", "operator", "family", "dtype"):
        hostile, sound = (views.get("markdown").render(p, by=by).count("\n") for p in (profile, plain))
        assert hostile == sound, by
    bars = [line.replace(r"\|", "").count("|") for line in views.get("markdown").render(profile).splitlines()]
    assert set(bars) == {0, 10}
    for table in (markdown(profile.explain()), markdown(plain.explain())):
        assert len({line.replace(r"\|", "").count("|") for line in table.splitlines() if line.startswith("|")}) == 1


@pytest.mark.parametrize("start", ["=", "+", "-", "@"])
def test_a_spreadsheet_takes_no_name_for_a_formula(start) -> None:
    profile = named(f'{start}HYPERLINK("http://x")')
    for by in ("module", "operator", "family", "dtype"):
        header, *rows = csv.reader(io.StringIO(views.get("csv").render(profile, by=by)))
        texts = [cell for row in rows for cell in row if "HYPERLINK" in cell]
        assert texts or by == "operator"
        assert all(cell.startswith(f"'{start}") for cell in texts)
        macs = [int(row[header.index("macs")]) for row in rows]
        assert max(macs) == profile.macs


def test_html_holds_no_tag_of_a_name() -> None:
    for hostile in ("<script>x</script>", "<img src=x onerror='y'>", "</td></table><b>"):
        page, sound = (views.get("html").render(named(name)) for name in (hostile, "sound"))
        assert hostile not in page
        assert page.count("<") == sound.count("<")


def test_a_printable_text_is_left_alone() -> None:
    for text in ("layer1.0.conv", "модель", "層 1", "é", ""):
        assert units.printable(text) == text
    assert units.printable("a\tb\u202ec\u2028") == r"a\tb\u202ec\u2028"


class Raising(nn.Module):
    def forward(self, x):
        raise ValueError(f"not\x1b[31m this {ESCAPES}")


def test_the_text_of_an_error_reaches_no_terminal_raw(capsys, monkeypatch) -> None:
    monkeypatch.setattr(_model, "run_model", lambda options: flopsight.profile(Raising(), (1, 2)))
    sentence = refused(capsys, "torchvision:resnet18")
    assert r"not\x1b[31m this" in sentence
    assert sentence.strip("\n").isprintable()


@pytest.mark.parametrize(
    "arguments", [["x", f"--{ESCAPES}"], ["x", "--by", ESCAPES], [f"x{ESCAPES}:y"], [f"{ESCAPES}.py"]]
)
def test_arguments_reach_no_terminal_raw(capsys, arguments) -> None:
    assert refused(capsys, *arguments).strip("\n").isprintable()


def test_lines_of_code_reach_no_terminal_raw(capsys, tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text('from thop import profile\nprofile("\x1b[2J")  # \u202e\n')
    code, out, _ = run(capsys, "migrate", str(tmp_path / "net.py"))
    assert code == 0
    assert "thop" in out
    assert all(line.isprintable() for line in out.split("\n"))


@pytest.mark.parametrize(("size", "sentence"), [
    ("1,99999999999999999999,3", "larger than a tensor can be"),
    ("1," * 5000 + "1", "larger than a tensor can be"),
    ("0,4611686018427387904,9223372036854775807", "larger than a tensor can be"),
    *((size, "is no shape") for size in ("9" * 5000, "1e9", "-1", "", ",", "1,,2", "1.5", "na n", "x=", ":")),
])  # fmt: skip
def test_absurd_sizes_get_a_sentence(capsys, size, sentence) -> None:
    told = refused(capsys, "torchvision:resnet18", f"--input={size}")
    assert sentence in told
    assert len(told) < 300


@pytest.mark.parametrize("size", ["0", "0,3,8,8,8", "576460752303423487", "1,3,16777216,1000000"])
def test_sizes_that_only_the_model_cannot_take_get_a_sentence(capsys, size) -> None:
    code, _, err = run(capsys, "torchvision:resnet18", f"--input={size}")
    assert (code, err.count("\n")) in ((0, 0), (2, 1)), err


@pytest.mark.parametrize("given", ["[" * 100_000, '{"a":' * 100_000, '{"a": ' + "9" * 5000 + "}", "\x1b[2J"])
def test_absurd_keyword_arguments_get_a_sentence(capsys, given) -> None:
    told = refused(capsys, "torchvision:resnet18", "--kwargs", given)
    assert "is not JSON" in told
    assert len(told) < 400


def test_absurd_constructor_arguments_get_a_sentence(capsys) -> None:
    for inside in ("(" * 10_000, "a=" + "[" * 10_000, "a=" + "-" * 100_000 + "1", "a=" + "9" * 5000):
        assert "cannot be read" in refused(capsys, f"torchvision:resnet18({inside})")


def test_an_argument_given_twice_is_refused(capsys, tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "twice_net.py").write_text(
        "import torch\nclass Net(torch.nn.Module):\n    def forward(self, x, y=None):\n        return x\n"
    )
    monkeypatch.chdir(tmp_path)
    given = ["twice_net.py:Net", "--input", "x=2,3"]
    assert run(capsys, *given, "--kwargs", '{"y": 1}')[0] == 0
    assert "The argument 'x' is given twice, in --input and in --kwargs" in refused(
        capsys, *given, "--kwargs", '{"x": [9, 9]}'
    )
    assert "The argument 'x' is given twice, by --input" in refused(capsys, *given, "--input", "x=9,9")


def test_the_error_is_one_that_flopsight_names() -> None:
    assert issubclass(ProfileFormatError, ValueError)
    assert issubclass(InputError, ValueError)
    assert cli.main(["show", "/dev/null"]) == 2


def test_a_file_without_end_is_not_read_to_its_end(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setattr(saving, "LARGEST_BYTES", 2**20)
    (tmp_path / "packed.json").write_bytes(gzip.compress(b" " * 2**21, mtime=0))
    for path in ("/dev/zero", str(tmp_path / "packed.json")):
        assert "it holds more than 1 MiB" in refused(capsys, "show", path)
