"""`flopsight compare` and `flopsight diff`, as a person uses them."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import handmade
import pytest
from command_line import refused, run
from comparing.repository import NET, commit, git, parts, state

import flopsight
from flopsight.cli._apart import Place

SOURCE = Path(flopsight.__file__).parents[1]


def macs(width: int, head: int = 4) -> str:
    return str(8 * width + width * 8 + 8 * head)


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with two profiles."""
    monkeypatch.chdir(tmp_path)
    handmade.stack(2).save("old.json")
    handmade.stack(3).save("new.json.gz")
    return tmp_path


class TestCompare:
    def test_a_row_a_model_and_the_exit_code_says_if_one_failed(self, capsys, saved) -> None:
        code, out, err = run(capsys, "compare", "old.json", "new.json.gz")
        assert (code, err) == (0, "")
        assert [line.split()[0] for line in out.splitlines()] == [
            "model",
            out.splitlines()[1],
            "old.json",
            "new.json.gz",
        ]
        code, out, _ = run(capsys, "compare", "old.json", "olt.json", "--columns", "macs")
        assert code == 1
        assert "olt.json cannot be read: No such file or directory. Did you mean 'old.json'" in out

    def test_formats_go_to_files_or_instead_of_the_table(self, capsys, saved) -> None:
        given = ["compare", "old.json", "--columns", "params,macs"]
        _, table, _ = run(capsys, *given)
        assert run(capsys, *given, "--latex", "t.tex", "--csv", "t.csv") == (0, table, "")
        assert Path("t.tex").read_text() == run(capsys, *given, "--latex")[1]
        assert Path("t.csv").read_text().splitlines()[0] == "model,params,macs"
        assert run(capsys, *given, "--markdown")[1].startswith("| model |")

    def test_models_of_one_name_do_not_meet(self, capsys, tmp_path, monkeypatch) -> None:
        monkeypatch.chdir(tmp_path)
        for folder, width in (("a", 8), ("b", 16)):
            (tmp_path / folder).mkdir()
            (tmp_path / folder / "net.py").write_text(NET)
            (tmp_path / folder / "parts.py").write_text(parts(width))
        given = ["compare", "a/net.py:Net", "b/net.py:Net", "--columns", "macs", "--csv"]
        code, out, _ = run(capsys, *given, "--input", "1,8")
        assert (code, out.splitlines()[1:]) == (0, [f"a/net.py:Net,{macs(8)}", f"b/net.py:Net,{macs(16)}"])

    @pytest.mark.parametrize(("arguments", "sentence"), [
        ([], "required: MODEL"), (["old.json", "--columns", "mac"], "no column 'mac'"),
        (["old.json", "--columns", "share"], "leave out the column share"),
        (["old.json", "--input", "a-b"], "is no shape"), (["old.json", "--kwargs", "{"], "is not JSON"),
        (["old.json", "--latex", "no/x.tex"], "there is no folder no"),
        (["old.json", "--latex", "."], "Is a directory"),
    ])  # fmt: skip
    def test_what_cannot_be_used_gets_one_sentence(self, capsys, saved, arguments, sentence) -> None:
        assert sentence in refused(capsys, "compare", *arguments)


class TestDiff:
    def test_the_exit_code_says_whether_anything_changed(self, capsys, saved) -> None:
        code, out, err = run(capsys, "diff", "old.json", "new.json.gz")
        assert (code, err) == (1, "")
        assert out.startswith("Net (old.json) -> Net (new.json.gz)\n")
        assert "layers.2" in out
        assert run(capsys, "diff", "old.json", "old.json")[0] == 0

    def test_options_reach_the_table(self, capsys, saved) -> None:
        given = ["diff", "old.json", "new.json.gz", "--columns", "operators,macs", "--top", "1"]
        assert "operator calls" in run(capsys, *given)[1].split("\n\n")[1]
        assert run(capsys, *given, "--csv")[1].startswith("change,old,new,old_class,new_class,times,operators_old")
        assert run(capsys, *given, "--markdown", "d.md")[0] == 1
        assert Path("d.md").read_text().startswith("**Net (old.json) -\\> Net (new.json.gz)**")

    def test_another_model_is_told_as_one(self, capsys, saved) -> None:
        handmade.profile([handmade.module("", "Other"), handmade.module("x", "Conv")]).save("other.json")
        code, out, _ = run(capsys, "diff", "old.json", "other.json")
        assert code == 1
        assert "Net and Other have next to no module in common" in out

    @pytest.mark.parametrize(("arguments", "sentence"), [
        (["old.json"], "required: NEW"), (["old.json", "broken.json"], "is no saved profile"),
        (["newer.json", "old.json"], "Upgrade it with"), (["old.json", "nwe.json.gz"], "Did you mean 'new.json.gz'"),
        (["old.json", "new.json.gz", "--columns", "class"], "which class is not"),
        (["old.json", "new.json.gz", "--top", "0"], "no number of at least 1"),
    ])  # fmt: skip
    def test_what_cannot_be_used_gets_one_sentence(self, capsys, saved, arguments, sentence) -> None:
        Path("broken.json").write_text("{")
        Path("newer.json").write_text('{"format": 99}')
        assert sentence in refused(capsys, "diff", *arguments)


@pytest.fixture(params=["src", "lib"])
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    """Two commits and a working tree that differ in a part, imported from a folder `src` or another on the path."""
    file = f"{request.param}/parts.py"
    git(tmp_path, "init", "-q")
    commit(tmp_path, {"nets/net.py": NET, file: parts(2)})
    commit(tmp_path, {"nets/net.py": NET.replace("8, 4", "8, 5"), file: parts(3)})
    (tmp_path / file).write_text(parts(4))
    monkeypatch.chdir(tmp_path / "nets")
    monkeypatch.setenv("PYTHONPATH", f"{tmp_path / request.param}{os.pathsep}{SOURCE}")
    monkeypatch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
    monkeypatch.syspath_prepend(tmp_path / request.param)
    return tmp_path.resolve()


class TestRevisions:
    @pytest.mark.parametrize(("revisions", "expected"), [
        ("HEAD~1..main", [macs(2), macs(3, 5)]), ("HEAD~1..", [macs(2), macs(4, 5)]),
        ("..HEAD~1", [macs(3, 5), macs(2)]), ("HEAD~1...HEAD", [macs(2), macs(3, 5)]),
    ])  # fmt: skip
    def test_each_is_measured_with_its_own_code_and_nothing_changes(
        self, capsys, repository, revisions, expected
    ) -> None:
        before = state(repository)
        for address in ("net.py:Net", f"{repository}/nets/net.py:Net"):
            code, out, _ = run(capsys, "diff", revisions, address, "--input", "1,8", "--csv")
            assert code == 1
            assert out.splitlines()[1].split(",")[6:8] == expected
        assert state(repository) == before

    def test_the_same_revision_has_not_changed(self, capsys, repository) -> None:
        code, out, _ = run(capsys, "diff", "main..HEAD", "net.py:Net", "--input", "1,8")
        assert (code, out) == (0, "Net (net.py:Net at main) -> Net (net.py:Net at HEAD)\n\nNothing changed.\n")

    @pytest.mark.parametrize(("arguments", "sentence"), [
        (["mian..", "net.py:Net"], "has no revision 'mian'. Did you mean 'main'"),
        (["HEAD..", "net.py:Nte"], "HEAD: net.py has no 'Nte'. Did you mean 'Net'"),
        (["HEAD..", "net.py:Net", "--input", "1,7"], "HEAD: The model's own code failed in module 'body.0'"),
    ])  # fmt: skip
    def test_what_cannot_be_used_gets_one_sentence(self, capsys, repository, arguments, sentence) -> None:
        assert sentence in refused(capsys, "diff", *arguments)

    def test_a_folder_that_was_not_there_is_told(self, capsys, repository, monkeypatch) -> None:
        (repository / "new").mkdir()
        monkeypatch.chdir(repository / "new")
        assert "HEAD has no folder new" in refused(capsys, "diff", "HEAD..", "../nets/net.py:Net", "--input", "1,8")

    def test_a_process_that_dies_is_told(self, capsys, repository) -> None:
        (repository / "nets" / "net.py").write_text("import os\nos._exit(3)\n")
        sentence = refused(capsys, "diff", "HEAD..", "net.py:Net", "--input", "1,8")
        assert "The process that measured net.py:Net at the working tree ended with code 3" in sentence


def test_saved_profiles_are_compared_without_torch(tmp_path: Path) -> None:
    handmade.stack(2).save(tmp_path / "a.json")
    handmade.stack(3).save(tmp_path / "b.json")
    files = [str(tmp_path / "a.json"), str(tmp_path / "b.json")]
    for command in ("diff", "compare"):
        code = f"import sys; from flopsight.cli import main; main({[command, *files]!r}); print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
        assert done.stdout.splitlines()[-1] == "False"


def test_what_is_imported_first_is_of_the_tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the package is installed from its folder `src` by a finder, which is not on the path."""
    root, tree = tmp_path / "root", tmp_path / "tree"
    for folder in (root / "nets", tree / "nets", tree / "src"):
        folder.mkdir(parents=True)
    monkeypatch.chdir(root / "nets")
    monkeypatch.setattr(sys, "path", ["", str(root), str(root / "venv"), str(tmp_path)])
    assert Place("main", root, tree).importable == [str(tree / "nets"), str(tree), str(tree / "src")]
    assert Place("", root).importable == []
