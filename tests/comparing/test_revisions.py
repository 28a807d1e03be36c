from __future__ import annotations

from pathlib import Path

import pytest
from comparing.repository import commit, git, state

from flopsight.comparing.revisions import Range, Repository, read_range
from flopsight.errors import InputError


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """Two commits on main, and one on a branch beside the second."""
    git(tmp_path, "init", "-q")
    commit(tmp_path, {"net.py": "one", "deep/x.py": "x", ".gitattributes": "deep export-ignore\n"})
    git(tmp_path, "branch", "topic")
    commit(tmp_path, {"net.py": "two"})
    return Repository(tmp_path.resolve())


@pytest.mark.parametrize(("text", "expected"), [
    ("main..HEAD", Range("main", "HEAD")), ("main..", Range("main", None)), ("..main", Range("HEAD", "main")),
    ("v1.2..v1.3", Range("v1.2", "v1.3")), ("origin/main..HEAD~2", Range("origin/main", "HEAD~2")),
    ("main...topic", Range("main", "topic", from_fork=True)), ("main...", Range("main", None, from_fork=True)),
    ("..", None), ("...", None), ("../net.py:Net", None), ("../old.json", None), ("torchvision:resnet18", None),
    ("old.json", None), ("a..b:Net", None), ("../..", None),
])  # fmt: skip
def test_revisions_are_told_from_paths_and_models(text: str, expected: Range | None) -> None:
    assert read_range(text) == expected


def test_a_file_of_that_name_is_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "old..new").write_text("")
    assert read_range("old..new") is None


def test_a_revision_is_a_folder_and_nothing_changes(repository: Repository) -> None:
    (repository.root / "net.py").write_text("three")
    (repository.root / "untracked.py").write_text("u")
    hook = repository.root / ".git" / "hooks" / "post-checkout"
    hook.write_text("#!/bin/sh\ntouch ran\n")
    hook.chmod(0o755)
    before = state(repository.root)
    with repository.checked_out("HEAD~1") as folder:
        assert (folder / "net.py").read_text() == "one"
        assert (folder / "deep" / "x.py").read_text() == "x"
        assert not (folder / "untracked.py").exists()
        (folder / "net.py").write_text("changed")
    assert not folder.exists()
    assert state(repository.root) == before


def test_the_folder_goes_when_something_fails(repository: Repository) -> None:
    with pytest.raises(ZeroDivisionError), repository.checked_out("main") as folder:
        raise ZeroDivisionError
    assert not folder.exists()


def test_the_fork_is_the_last_commit_in_common(repository: Repository) -> None:
    assert repository.fork("main", "topic") == repository.commit("HEAD~1")


@pytest.mark.parametrize("revision", ["mian", "--upload-pack=x", "HEAD~99", ""])
def test_a_revision_that_is_not_there_is_refused(repository: Repository, revision: str) -> None:
    with pytest.raises(InputError, match="has no revision"):
        repository.commit(revision)


def test_near_revisions_are_named(repository: Repository) -> None:
    with pytest.raises(InputError, match="Did you mean 'topic'"):
        repository.commit("topik")


def test_a_folder_without_a_repository_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    with pytest.raises(InputError, match="of a git repository, which"):
        Repository.around(tmp_path)


def test_without_git_a_sentence_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(InputError, match="git, which is not installed"):
        Repository.around(tmp_path)
