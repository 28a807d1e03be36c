"""Where real runs take place: the processor or the graphics card, how much memory it has free, and its caches."""

from __future__ import annotations

import os
import platform
import re
from pathlib import Path

import torch

from flopsight.errors import InputError

PLACES = ("cpu", "cuda")

_CACHES = Path("/sys/devices/system/cpu")
_CPU_FACTS, _MEMORY_FACTS = Path("/proc/cpuinfo"), Path("/proc/meminfo")


def place(on: str | None) -> torch.device:
    """Where to run: what was asked for, or a graphics card where there is one. Raises: InputError."""
    there = torch.cuda.is_available()
    wanted = on or ("cuda" if there else "cpu")
    kind = wanted.partition(":")[0]
    if kind not in PLACES:
        raise InputError(f"{wanted!r} is no place to run; write {' or '.join(PLACES)}.")
    if kind == "cuda" and not there:
        raise InputError(
            "There is no graphics card here that PyTorch can use (torch.cuda.is_available() is False); measure on cpu, "
            "or print the least time on a published device instead: --device h100-sxm."
        )
    return torch.device(wanted)


def title(at: torch.device) -> str:
    """What the machine calls itself."""
    if at.type == "cuda":
        return str(torch.cuda.get_device_name(at))
    facts = _CPU_FACTS.read_text() if _CPU_FACTS.exists() else ""
    found = re.search(r"^model name\s*:\s*(.*)$", facts, re.MULTILINE)
    threads = torch.get_num_threads()
    return f"{found[1].strip() if found else platform.processor() or platform.machine()}, {threads} threads"


def memory_bytes(at: torch.device) -> int:
    """All of the main memory."""
    if at.type == "cuda":
        return int(torch.cuda.get_device_properties(at).total_memory)
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_bytes(at: torch.device) -> int:
    """Main memory that can be had now."""
    if at.type == "cuda":
        return int(torch.cuda.mem_get_info(at)[0])
    facts = _MEMORY_FACTS.read_text() if _MEMORY_FACTS.exists() else ""
    found = re.search(r"^MemAvailable:\s*(\d+) kB$", facts, re.MULTILINE)
    return int(found[1]) * 1024 if found else memory_bytes(at)


def cache_bytes(at: torch.device) -> int:
    """The caches from the second level on, together; 0 where the system does not tell."""
    if at.type == "cuda":
        return int(torch.cuda.get_device_properties(at).L2_cache_size)
    caches: dict[tuple[str, str], int] = {}
    for index in _CACHES.glob("cpu[0-9]*/cache/index*"):
        facts = {name: (index / name).read_text().strip() for name in ("level", "size", "shared_cpu_list")}
        size = re.fullmatch(r"(\d+)K", facts["size"])
        if facts["level"] != "1" and size:
            caches[facts["level"], facts["shared_cpu_list"]] = int(size[1]) * 1024
    return sum(caches.values())
