"""What fits, as text, from rows made by hand."""

from __future__ import annotations

from flopsight.analysis.fitting import Fit, Row
from flopsight.views.fitting import render, verdict

GIVEN = Row("", 0, 8, 3 * 2**20, {"saved": 2 * 2**20, "parameters": 2**20}, 5)
SMALLER = Row("autocast bf16", 1, 8, 2**20, {"parameters": 2**20}, 2**20, at_least=True)
NONE = Row("SGD", 1, 8, 3 * 2**20, {"saved": 2 * 2**20}, 0)
FAILED = Row("bf16 parameters", 1, 8, error="The model's own code failed\nin Net")


def test_rows_and_sentences():
    text = render(Fit("Net", "forward", 2 * 2**20, 8, (GIVEN, SMALLER, NONE, FAILED), ("Something is assumed.",)))
    lines = [" ".join(line.split()) for line in text.splitlines()]
    assert lines[0] == "Net: forward, batch of 8, in 2.00 MiB"
    assert lines[3] == "as given 3.00 MiB no saved 2.00 MiB 5"
    assert lines[4] == "autocast bf16 1.00 MiB yes parameters 1.00 MiB >= 1,048,576"
    assert lines[5] == "SGD 3.00 MiB no saved 2.00 MiB none"
    assert "As given, the peak is: saved 2.00 MiB, parameters 1.00 MiB." in lines
    assert "bf16 parameters cannot be said: The model's own code failed\\nin Net" in lines
    assert "Something is assumed." in lines


def test_what_fits():
    assert verdict(Fit("Net", "forward", 4 * 2**20, 8, (GIVEN,))) == "It fits: 3.00 MiB at a batch of 8."


def test_what_does_not_fit_is_told_what_to_change():
    told = verdict(Fit("Net", "forward", 2 * 2**20, 8, (GIVEN, SMALLER)))
    assert "3.00 MiB are needed at a batch of 8, 1.00 MiB more than there are" in told
    assert told.endswith("What helps most is autocast bf16: 1.00 MiB, and fits.")


def test_what_no_change_helps():
    told = verdict(Fit("Net", "forward", 2 * 2**20, 8, (GIVEN, NONE)))
    assert told.endswith("None of the changes takes less; give it more memory, or a smaller batch.")
