"""The example notebook, executed as Jupyter does: the profile is a table there, and every drawing a picture."""

from __future__ import annotations

import base64
from pathlib import Path

import pytest

NOTEBOOK = Path(__file__).parents[1] / "examples" / "notebook.ipynb"
PNG = b"\x89PNG\r\n"
DRAWINGS = 7


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")  # of Jupyter's own
def test_the_notebook_shows_what_it_says(tmp_path: Path) -> None:
    nbformat = pytest.importorskip("nbformat")
    client = pytest.importorskip("nbclient").NotebookClient
    pytest.importorskip("ipykernel")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    assert not any(cell.get("outputs") for cell in notebook.cells), "the notebook is kept without what it shows"
    client(notebook, timeout=300, resources={"metadata": {"path": tmp_path}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    assert {output.output_type for output in outputs} == {"execute_result", "display_data"}, outputs
    pictures = [output.data["image/png"] for output in outputs if "image/png" in output.get("data", {})]
    assert len(pictures) == DRAWINGS == sum(".plot(" in cell.source for cell in notebook.cells)
    for number, picture in enumerate(map(base64.b64decode, pictures)):
        assert picture.startswith(PNG)
        (tmp_path / f"{number}.png").write_bytes(picture)
    (page,) = [output.data["text/html"] for output in outputs if "text/html" in output.get("data", {})]
    assert "stages" in page
