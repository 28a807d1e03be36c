"""What importing loads: nothing heavy for `import flopsight`, no torch to read and show a saved profile."""

from __future__ import annotations

import subprocess
import sys

import pytest

import flopsight


def run(code: str, *arguments: str) -> list[str]:
    """The lines that a fresh Python prints for `code`."""
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


LOADED = "import sys; print(*sorted({name.partition('.')[0] for name in sys.modules}))"


def test_import_loads_only_the_standard_library() -> None:
    (before,) = run(LOADED)
    (after,) = run(f"import flopsight; {LOADED}")
    new = set(after.split()) - set(before.split())
    assert new - set(sys.stdlib_module_names) == {"flopsight"}


def test_a_profile_loads_nothing_of_how_it_is_shown() -> None:
    code = "import flopsight, torch; flopsight.profile(torch.nn.Linear(2, 3), (4, 2))"
    (loaded,) = run(f"{code}; {LOADED}")
    assert "torch" in loaded.split()
    assert not {"rich", "sympy"} & set(loaded.split())


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> str:
    from torch import nn

    path = tmp_path_factory.mktemp("saved") / "profile.json"
    flopsight.profile(nn.Sequential(nn.Linear(4, 5), nn.ReLU()), (2, 4)).save(path)
    return str(path)


SHOW = {
    "text": "print(profile)",
    "html": "profile._repr_html_()",
    "report": "import os; profile.report(os.devnull, device='t4')",
    "dictionary": "profile.to_dict()",
    "dataframe": "profile.to_dataframe()",
    "conventions": "print([profile.total(name) for name in flopsight.conventions.names()])",
}


@pytest.mark.parametrize("show", SHOW.values(), ids=SHOW.keys())
def test_a_saved_profile_is_shown_without_torch(saved: str, show: str) -> None:
    code = f"import sys, flopsight, flopsight.conventions; profile = flopsight.load(sys.argv[1]); {show}"
    assert run(f"{code}; print('torch' in sys.modules)", saved)[-1] == "False"


def test_no_format_loads_what_draws(saved: str) -> None:
    code = (
        "import sys, flopsight; from flopsight import views; profile = flopsight.load(sys.argv[1]); "
        "[profile.render(name) for name in views.names()]"
    )
    loaded = set(run(f"{code}; {LOADED}", saved)[-1].split())
    assert "rich" in loaded
    assert not {"torch", "matplotlib", "squarify", "pandas", "sympy"} & loaded


def test_the_command_shows_a_saved_profile_without_torch(saved: str) -> None:
    code = "import sys; from flopsight.cli import main\ntry: main(['show', sys.argv[1]])\nexcept SystemExit: pass"
    assert run(f"{code}\nprint('torch' in sys.modules)", saved)[-1] == "False"
