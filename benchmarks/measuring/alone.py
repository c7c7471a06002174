"""Measuring in a process of its own, whose peak of memory and processor time are its own."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from pathlib import Path
from typing import Any

_BYTES = 1 if sys.platform == "darwin" else 1024  # unit of ru_maxrss


def alone(*words: object) -> dict[str, Any]:
    """What Python says as JSON in its last line when it is started with these words; it finds modules beside this one."""
    places = [str(Path(__file__).parent.parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    done = subprocess.run(
        [sys.executable, *map(str, words)],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(places)},
    )
    return json.loads(done.stdout.splitlines()[-1])


def processor(who: int = resource.RUSAGE_SELF) -> float:
    """Seconds that processors spent on this process, or on its children that ended."""
    used = resource.getrusage(who)
    return used.ru_utime + used.ru_stime


def peak() -> int:
    """Most bytes that this process, or any of its children that ended, ever held."""
    return max(resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)) * _BYTES


def processors() -> int:
    """Processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def company() -> str:
    """How many others want the processors now."""
    waiting, have = os.getloadavg()[0], processors()
    told = f"{waiting:.1f} processes want {have} processors"
    shared = "others share the machine: only processor times, their ratios and memory are worth anything"
    return f"{told}: {shared}" if waiting > have / 2 else f"{told}: the machine is quiet, times on the clock count too"
