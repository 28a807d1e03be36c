"""Time flopsight beside other tools: every measurement in a process of its own, several rounds, medians.

    python benchmarks/bench.py [--rounds 3] [--models resnet50,swin_t] [--only warm,cold,...]
    python benchmarks/bench.py --show benchmarks/results/FILE.json

Prints tables as Markdown and keeps all figures in benchmarks/results/. Nothing else should run on the machine.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

from measure import CLOSED
from report import report
from tools import TOOLS

HERE = Path(__file__).parent
MODELS = ("resnet50", "swin_t", "vit_b_16", "efficientnet_v2_s")
LLAMA = (("flopsight", "small"), ("flopsight", "block"), ("FlopCounterMode (fake)", "small"))
IMPORTS_PER_ROUND = 5
KINDS = ("warm", "cold", "llama", "deepseek", "search", "closed", "step", "llama_step", "zoo", "import")
STEPS = ("flopsight", "MemTracker", "the step itself")
STEP_MODELS = ("resnet50", "vit_b_16")


def plan(kinds: list[str], models: list[str]) -> list[tuple[str, ...]]:
    """The measurements of one round: arguments of measure.py, or `command` and a model for the command line."""
    on = [(tool, model, device) for model in models for tool in TOOLS for device in TOOLS[tool].devices]
    once = [tool for tool in TOOLS if not TOOLS[tool].repeated]
    return [
        *[("warm", *arguments) for arguments in on if "warm" in kinds],
        *[("cold", *arguments) for arguments in on if "cold" in kinds and arguments[0] in once],
        *[("command", model) for model in models if "cold" in kinds],
        *[("llama", *arguments) for arguments in LLAMA if "llama" in kinds],
        *[("search", tool, device) for tool in once for device in TOOLS[tool].devices if "search" in kinds],
        *[("closed", model) for model in CLOSED if "closed" in kinds],
        *[("step", way, model) for model in STEP_MODELS for way in STEPS if "step" in kinds],
        *[(kind,) for kind in ("deepseek", "llama_step", "zoo") if kind in kinds],
        *[("import",)] * (IMPORTS_PER_ROUND if "import" in kinds else 0),
    ]


def measure(arguments: tuple[str, ...]) -> dict[str, Any]:
    """Run one measurement and time its whole process."""
    if arguments[0] == "command":
        command = [str(Path(sys.executable).with_name("flopsight")), f"torchvision:{arguments[1]}"]
    else:
        command = [sys.executable, str(HERE / "measure.py"), *arguments]
    start = time.perf_counter()
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    process_s = time.perf_counter() - start
    if done.returncode:
        lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        return {"error": lines[-1]}
    result = {} if arguments[0] == "command" else json.loads(done.stdout.splitlines()[-1])
    return {**result, "process_s": process_s}


def machine() -> dict[str, Any]:
    """What the figures were measured on."""
    cpuinfo = Path("/proc/cpuinfo")
    lines = cpuinfo.read_text().splitlines() if cpuinfo.exists() else []
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    packages = sorted({tool.package for tool in TOOLS.values()} | {"torchvision", "transformers"})
    return {
        "date": time.strftime("%Y-%m-%d"),
        "processor": names[0] if names else platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "versions": {package: version(package) for package in packages},
    }


def run(kinds: list[str], models: list[str], rounds: int) -> dict[str, Any]:
    """All rounds, one after the other, so that a slow minute of the machine falls on every tool."""
    results = []
    measurements = plan(kinds, models)
    for number in range(rounds):
        for index, arguments in enumerate(measurements):
            print(
                f"round {number + 1}/{rounds}  {index + 1}/{len(measurements)}  {' '.join(arguments)}", file=sys.stderr
            )
            results.append({"arguments": arguments, **measure(arguments)})
    return {"machine": machine(), "rounds": rounds, "results": results}


def main() -> None:
    """Read the command line, measure or load, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--models", default=",".join(MODELS), help="torchvision models, separated by commas")
    parser.add_argument("--only", default=",".join(KINDS), help="kinds of measurement, separated by commas")
    parser.add_argument("--show", type=Path, help="print the tables of an earlier run")
    options = parser.parse_args()
    if options.show:
        data = json.loads(options.show.read_text())
    else:
        data = run(options.only.split(","), options.models.split(","), options.rounds)
        path = HERE / "results" / f"{time.strftime('%Y%m%d-%H%M%S')}.json"
        path.parent.mkdir(exist_ok=True)
        path.write_text(json.dumps(data, indent=1))
        print(f"figures: {path}", file=sys.stderr)
    print(report(data))


if __name__ == "__main__":
    main()
