"""Runs the cases that fit this machine, within the time, one failure at a time, and says what was left out."""

from __future__ import annotations

import datetime
import gc
import importlib.util
import logging
import os
import platform
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, Final

from outfitswap_desktop import __version__
from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.ml.bench.case import Case, Row, Setting
from outfitswap_desktop.ml.bench.report import Report, failed
from outfitswap_desktop.ml.quiet import hush

_log = logging.getLogger(__name__)
QUICK_SECONDS: Final = 290.0
FULL_SECONDS: Final = 590.0
"""The whole run: what would not fit any more is left out and named."""
INSTALL: Final = "Install it with the extra: uv sync --extra gpu, or pip install 'outfitswap-desktop[gpu]'."

Tell = Callable[[str], None]


def all_cases() -> tuple[Case, ...]:
    """Every case, in the order in which they are run: the cheapest answers first."""
    from outfitswap_desktop.ml.bench.cases_card import cases as of_the_card
    from outfitswap_desktop.ml.bench.cases_cpu import cases as of_the_processor
    from outfitswap_desktop.ml.bench.cases_jobs import cases as of_jobs
    from outfitswap_desktop.ml.bench.cases_memory import cases as of_memory

    return (*of_the_processor(), *of_the_card(), *of_jobs(), *of_memory())


def run_suite(
    *,
    suite: str = "quick",
    only: Sequence[str] = (),
    tell: Tell = lambda _: None,
    cases: Sequence[Case] | None = None,
    device: str | None = None,
    tiny: bool = False,
) -> Report:
    """Measure. `suite` is "quick" (under five minutes) or "full" (under ten); `only` names ids and overrules the suite.

    `tell` hears a line per case. `device` None takes CUDA where it is. Raises NotAvailable ("torch_missing") without torch,
    UsageProblem for an id that does not exist.
    """
    if suite not in {"quick", "full"}:
        raise UsageProblem(f"There is no suite {suite}.", reason="suite", hint="quick or full.")
    cases = all_cases() if cases is None else cases
    wanted = _wanted(cases, only)
    if importlib.util.find_spec("torch") is None:
        raise NotAvailable("The bench needs torch, which is not installed.", reason="torch_missing", hint=INSTALL)
    hush()
    import torch

    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    machine = machine_facts(device)
    began = time.perf_counter()
    limit = FULL_SECONDS if suite == "full" or only else QUICK_SECONDS

    def left() -> float:
        return limit - (time.perf_counter() - began)

    setting = Setting(device, str(machine["card"] or ""), suite == "full" or bool(only), left, tiny)
    rows: list[Row] = []
    missing: dict[str, str] = {}
    ceilings = _ceilings(device, tiny=tiny, tell=tell)
    for case in cases:
        name = ", ".join(case.ids)
        if wanted is not None and not wanted & set(case.ids):
            continue
        why = _unfit(case, setting, asked=wanted is not None)
        if why:
            missing[name] = why
            continue
        tell(f"{name}: {case.what}")
        rows += _run(case, setting)
    return Report(machine, ceilings, tuple(rows), missing, time.perf_counter() - began)


def _wanted(cases: Sequence[Case], only: Sequence[str]) -> set[str] | None:
    if not only:
        return None
    known = [one for case in cases for one in case.ids]
    wanted = {name.strip().upper() for name in only if name.strip()}
    unknown = sorted(wanted - set(known))
    if unknown:
        raise UsageProblem(
            f"There is no measurement {', '.join(unknown)}.", reason="bench_id", hint=f"There are {', '.join(known)}."
        )
    return wanted


def _unfit(case: Case, setting: Setting, *, asked: bool) -> str:
    """Why a case is not run; "" when it is."""
    lacking = [name for name in case.need.libraries if importlib.util.find_spec(name) is None]
    if lacking:
        return f"{', '.join(lacking)} is not installed"
    if case.need.on == "cuda" and not setting.device.startswith("cuda"):
        return "there is no CUDA card"
    if not asked and not setting.full and not case.quick:
        return "only in the full suite"
    if case.need.on == "cuda":
        import torch

        free = torch.cuda.mem_get_info()[0] / 2**30
        if free < case.need.free_gib:
            return f"{free:.1f} GiB of the card are free, it wants {case.need.free_gib:g}"
    if setting.left() < case.need.seconds:
        return f"{max(setting.left(), 0):.0f} s are left, it takes about {case.need.seconds:.0f}"
    return ""


def _run(case: Case, setting: Setting) -> Sequence[Row]:
    began = time.perf_counter()
    try:
        return case.run(setting)
    except Exception as problem:  # noqa: BLE001  one broken measurement must not cost the others
        _log.warning("%s failed", case.what, exc_info=True)
        return failed(case.ids, case.what, f"{type(problem).__name__}: {problem}".splitlines()[0][:300])
    finally:
        _clean(setting.device)
        _log.info("%s took %.1f s", case.what, time.perf_counter() - began)


def _clean(device: str) -> None:
    gc.collect()
    if device.startswith("cuda"):
        import torch

        with suppress(RuntimeError):
            torch.cuda.synchronize()
            torch.cuda.empty_cache()


def _ceilings(device: str, *, tiny: bool, tell: Tell) -> dict[str, Any] | None:
    from outfitswap_desktop.ml.bench.ceilings import measure_ceilings

    tell("what the device can do at best")
    try:
        return measure_ceilings(device, tiny=tiny).as_json()
    except RuntimeError as problem:
        _log.warning("the ceilings were not measured: %s", problem)
        return None
    finally:
        _clean(device)


def machine_facts(device: str) -> dict[str, Any]:
    """Where and when: everything that a figure without it would mean nothing."""
    from importlib import metadata

    import torch

    card = capability = driver = memory = None
    if device.startswith("cuda"):
        properties = torch.cuda.get_device_properties(device)
        card, capability = properties.name, f"{properties.major}.{properties.minor}"
        memory, driver = round(properties.total_memory / 2**30, 1), _driver()
    versions = {}
    for name in ("diffusers", "transformers", "triton"):
        with suppress(metadata.PackageNotFoundError):
            versions[name] = metadata.version(name)
    return {
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        "program": __version__,
        "system": platform.platform(),
        "python": platform.python_version(),
        "processor": platform.processor() or platform.machine(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load": [round(value, 2) for value in os.getloadavg()] if hasattr(os, "getloadavg") else None,
        "card": card,
        "capability": capability,
        "card_gib": memory,
        "driver": driver,
        "torch": torch.__version__,
        "cuda": torch.version.cuda,
        "cudnn": torch.backends.cudnn.version() if device.startswith("cuda") else None,
        **versions,
    }


def _driver() -> str | None:
    """The NVIDIA driver's version, as its own tool says it."""
    with suppress(OSError, subprocess.SubprocessError):
        answer = subprocess.run(
            ["nvidia-smi", "--query-gpu=driver_version", "--format=csv,noheader"],
            capture_output=True, text=True, timeout=20, check=True,
        )  # fmt: skip
        return answer.stdout.splitlines()[0].strip()
    return None
