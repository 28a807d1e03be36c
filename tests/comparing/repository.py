"""A git repository made for a test, and what may not change in it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

NET = """
from torch import nn
import parts


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = parts.body()
        self.head = nn.Linear(8, 4)

    def forward(self, x):
        return self.head(self.body(x))
"""


def parts(width: int) -> str:
    made = f"nn.Sequential(nn.Linear(8, {width}), nn.Linear({width}, 8))"
    return f"from torch import nn\n\n\ndef body():\n    return {made}\n"


def git(folder: Path, *arguments: str) -> str:
    variables = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")} | {
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }
    settings = ["-c", "user.name=n", "-c", "user.email=n@example.com", "-c", "init.defaultBranch=main"]
    command = ["git", "-C", str(folder), *settings, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=variables).stdout


def commit(folder: Path, files: dict[str, str], message: str = "m") -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def state(folder: Path) -> dict[str, bytes]:
    """Every file of the repository, that of git's own too."""
    return {str(path): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}
