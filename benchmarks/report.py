"""Measured figures as Markdown tables: medians over the rounds, and ratios to the fastest other tool."""

from __future__ import annotations

from collections.abc import Callable
from statistics import median
from typing import Any

Row = tuple[str, ...]
Figures = dict[tuple[str, str], float]
MIB = 2**20


def table(rows: list[Row]) -> str:
    """An aligned Markdown table; the first row is the header, the first column text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    rule = tuple("-" * widths[0] if i == 0 else "-" * (width - 1) + ":" for i, width in enumerate(widths))

    def line(row: Row) -> str:
        cells = [
            cell.ljust(w) if i == 0 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths, strict=True))
        ]
        return f"| {' | '.join(cells)} |"

    return "\n".join(map(line, [rows[0], rule, *rows[1:]]))


def medians(results: list[dict[str, Any]], kind: str, figure: str) -> dict[tuple[str, ...], float]:
    """The median of one figure of one kind of measurement, by the measurement's other arguments."""
    values: dict[tuple[str, ...], list[float]] = {}
    for result in results:
        if result["arguments"][0] == kind and figure in result:
            values.setdefault(tuple(result["arguments"][1:]), []).append(result[figure])
    return {key: median(found) for key, found in values.items()}


def by_tool(found: dict[tuple[str, ...], float]) -> Figures:
    """Figures by (row label, model)."""
    return {(f"{tool}, {device}", model): value for (tool, model, device), value in found.items()}


def comparison(figures: Figures, text: Callable[[float], str], ours_first: bool) -> str:
    """Tools down, models across; below, each row of flopsight against the fastest other tool.

    The ratio is other / flopsight ("times faster") or, for `ours_first` False, flopsight / other.
    """
    tools = list(dict.fromkeys(tool for tool, _ in figures))
    models = list(dict.fromkeys(model for _, model in figures))
    ours = [tool for tool in tools if tool.startswith("flopsight")]
    fastest = {m: min(v for (t, model), v in figures.items() if model == m and t not in ours) for m in models}
    rows: list[Row] = [("", *models)]
    rows += [(tool, *(text(figures[tool, m]) if (tool, m) in figures else "-" for m in models)) for tool in tools]
    for tool in ours:
        ratios = [fastest[m] / figures[tool, m] if ours_first else figures[tool, m] / fastest[m] for m in models]
        label = f"fastest other / {tool}" if ours_first else f"{tool} / fastest other"
        rows.append((f"**{label}**", *(f"**{ratio:.2f}**" for ratio in ratios)))
    return table(rows)


def milliseconds(seconds: float) -> str:
    return f"{1000 * seconds:.1f} ms"


def vision(results: list[dict[str, Any]]) -> list[str]:
    """First calls, repeated calls and whole processes on vision models."""
    parts = []
    for title, figure in (("First call, after another small model", "first_s"), ("Repeated calls", "repeat_s")):
        if figures := by_tool(medians(results, "warm", figure)):
            parts += [f"### {title}", comparison(figures, milliseconds, ours_first=True)]
    if figures := by_tool(medians(results, "cold", "process_s")):
        command = {
            ("flopsight, command line", model): v for (model,), v in medians(results, "command", "process_s").items()
        }
        parts += ["### Whole process", comparison({**command, **figures}, "{:.2f} s".format, ours_first=False)]
    return parts


def llama(results: list[dict[str, Any]]) -> list[str]:
    """The large model."""
    found = {figure: medians(results, "llama", figure) for figure in ("first_s", "repeat_s", "peak_bytes")}
    if not found["first_s"]:
        return []
    rows: list[Row] = [("", "first call", "later calls", "peak memory of the process")]
    for key, first_s in found["first_s"].items():
        label = f"{key[0]}, after {'a small vision model' if key[1] == 'small' else 'one block of the same'}"
        peak = f"{found['peak_bytes'][key] / MIB:.0f} MiB"
        rows.append((label, f"{first_s:.3f} s", f"{found['repeat_s'][key]:.3f} s", peak))
    return ["### Llama-3.1-405B, 1 x 2,048 tokens, meta device", table(rows)]


def deepseek(results: list[dict[str, Any]]) -> list[str]:
    """The largest model: making it and counting it."""
    found = {f: medians(results, "deepseek", f).get(()) for f in ("build_s", "count_s", "peak_bytes")}
    build_s, count_s, peak_bytes = found.values()
    if build_s is None or count_s is None or peak_bytes is None:
        return []
    rows: list[Row] = [
        ("", "built", "counted", "together", "peak memory of the process"),
        (
            "flopsight",
            f"{build_s:.2f} s",
            f"{count_s:.2f} s",
            f"{build_s + count_s:.2f} s",
            f"{peak_bytes / MIB:.0f} MiB",
        ),
    ]
    return ["### DeepSeek-V3 671B, 1 x 2,048 tokens", table(rows)]


def closed(results: list[dict[str, Any]]) -> list[str]:
    """Closed forms, and a run at numbers beside them."""
    found = {figure: medians(results, "closed", figure) for figure in ("first_s", "repeat_s", "run_s")}
    if not found["first_s"]:
        return []
    rows: list[Row] = [("", "first", "again", "one run at numbers, after it")]
    rows += [(key[0], *(f"{found[figure][key]:.3f} s" for figure in found)) for key in found["first_s"]]
    return ["### Closed forms, held to further runs", table(rows)]


def search(results: list[dict[str, Any]]) -> list[str]:
    """Networks of one search space."""
    found = medians(results, "search", "per_s")
    if not found:
        return []
    ours = [key for key in found if key[0] == "flopsight"]
    fastest = max((value for key, value in found.items() if key not in ours), default=None)
    rows: list[Row] = [("", "models per second")]
    rows += [(f"{tool}, {device}", f"{value:.1f}") for (tool, device), value in found.items()]
    if fastest is not None:
        rows += [
            (f"**{tool}, {device} / fastest other**", f"**{found[tool, device] / fastest:.2f}**")
            for tool, device in ours
        ]
    return ["### An architecture search: networks of the same operators and other widths", table(rows)]


def step(results: list[dict[str, Any]]) -> list[str]:
    """The memory of a training step."""
    found = {figure: medians(results, "step", figure) for figure in ("first_s", "repeat_s", "step_peak_bytes")}
    parts: list[str] = []
    if found["first_s"]:
        rows: list[Row] = [("", "first", "again", "peak")]
        for (way, model), first_s in found["first_s"].items():
            peak = found["step_peak_bytes"][way, model]
            again_s = found["repeat_s"][way, model]
            rows.append((f"{model}, {way}", f"{first_s:.2f} s", f"{again_s:.2f} s", f"{peak:,.0f}" if peak else "-"))
        parts += ["### The memory of a training step", table(rows)]
    if (large_s := medians(results, "llama_step", "first_s").get(())) is not None:
        mib = medians(results, "llama_step", "peak_bytes")[()] / MIB
        parts.append(f"A training step of Llama-3.1-405B with AdamW: {large_s:.2f} s, in a process of {mib:.0f} MiB")
    return parts


def zoo(results: list[dict[str, Any]]) -> list[str]:
    """All of torchvision."""
    if (per_s := medians(results, "zoo", "per_s").get(())) is None:
        return []
    (models, counted) = next(
        (r["models"], r["counted"]) for r in results if "per_s" in r and r["arguments"][0] == "zoo"
    )
    sentence = f"{per_s:.1f} models per second: {counted} of {models} counted, starting the processes included"
    return ["### The zoo of torchvision", sentence]


def totals(results: list[dict[str, Any]]) -> list[str]:
    """What each tool answered; they count different things."""
    rows: list[Row] = [("answer", "model", "total")]
    seen = {
        (f"{arguments[0]}, {arguments[2]}" if kind == "warm" else arguments[0], arguments[1], result["total"])
        for result in results
        for kind, *arguments in [result["arguments"]]
        if kind in ("warm", "llama") and "total" in result
    }
    rows += [(tool, model if "," in tool else "Llama-3.1-405B", f"{total:,}") for tool, model, total in sorted(seen)]
    return ["### Totals", table(list(dict.fromkeys(rows)))] if seen else []


def report(data: dict[str, Any]) -> str:
    """All tables, and what they were measured on."""
    results = data["results"]
    facts = data["machine"]
    parts = [*vision(results), *llama(results), *deepseek(results), *closed(results), *search(results)]
    parts += [*step(results), *zoo(results)]
    if imports := medians(results, "import", "import_s"):
        parts += ["### `import flopsight`", milliseconds(imports[()])]
    parts += totals(results)
    failures = sorted({f"- {' '.join(r['arguments'])}: {r['error']}" for r in results if "error" in r})
    parts += ["### Not measured", "\n".join(failures)] if failures else []
    versions = ", ".join(f"{package} {number}" for package, number in facts["versions"].items())
    parts.append(
        f"{facts['date']}, {facts['processor']}, {facts['cores']} cores, {facts['system']}, Python {facts['python']}, "
        f"{versions}; medians of {data['rounds']} rounds, a fresh process each."
    )
    return "\n\n".join(parts)
