"""The graphics card, its driver, and whether an installed torch was built for them."""

from __future__ import annotations

import ast
import json
import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from outfitswap_desktop.doctor.processes import PROBE_SECONDS, package_folder, run, run_python, version_of
from outfitswap_desktop.doctor.report import NOT_NEEDED, Row

TORCH_COMMAND = "uv pip install --torch-backend=auto torch torchvision"
_TORCH_PROBE = """
import json, torch
flags = getattr(torch._C, "_cuda_getArchFlags", lambda: None)() or ""
print(json.dumps({"available": torch.cuda.is_available(), "archs": torch.cuda.get_arch_list() or flags.split()}))
"""
"""get_arch_list() is empty where no card is seen, which is when one wants to know; the flags of the build are not."""
MINIMUM_DRIVERS: Final = {11: 450, 12: 525, 13: 580}
"""The oldest driver that runs programs built for a CUDA of this major version, whatever its minor one:
https://docs.nvidia.com/deploy/cuda-compatibility/minor-version-compatibility.html (table 1)."""
OLDEST_CARD: Final = (7, 5)
"""CUDA 13, which all builds of torch 2.15 are made with, has no code for cards before Turing:
https://github.com/pytorch/pytorch/issues/190385."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """An NVIDIA device as its driver describes it; memory in MiB, `capability` like "8.6"."""

    name: str
    driver: str
    total: int
    free: int
    capability: str


@dataclass(frozen=True, slots=True)
class Driver:
    """What nvidia-smi said: devices, the newest CUDA that the driver runs ("" unknown), and its complaint if it failed."""

    gpus: tuple[Gpu, ...] = ()
    cuda: str = ""
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Torch:
    """An installed torch: version and the CUDA that it was built for (None: processor only), read without loading it.

    `available` and `archs` come from a child process; `fault` says why they are unknown.
    """

    version: str
    cuda: str | None
    available: bool | None = None
    archs: tuple[str, ...] = ()
    fault: str = ""


def ask_driver() -> Driver | None:
    """What NVIDIA's driver says through nvidia-smi; None when there is no such driver."""
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return None
    fields = "name,driver_version,memory.total,memory.free,compute_cap"
    devices = run([tool, f"--query-gpu={fields}", "--format=csv,noheader,nounits"], seconds=PROBE_SECONDS)
    if not devices.worked:
        return Driver(fault="no answer" if devices.timed_out else devices.last_line)
    overview = run([tool], seconds=PROBE_SECONDS)
    return parse_driver(devices.output, overview.output)


def parse_driver(devices: str, overview: str) -> Driver:
    """Read nvidia-smi's two answers: one line per device, and the table whose head names the newest CUDA."""
    gpus = []
    for line in devices.splitlines():
        cells = [cell.strip() for cell in line.split(",")]
        if len(cells) == 5:
            total, free = (int(cell) if cell.isdigit() else 0 for cell in cells[2:4])
            gpus.append(Gpu(cells[0], cells[1], total, free, cells[4]))
    cuda = re.search(r"CUDA[A-Za-z ]*Version:\s*([0-9]+\.[0-9]+)", overview)
    return Driver(tuple(gpus), cuda.group(1) if cuda else "", "" if gpus else "no device listed")


def driver_row(driver: Driver | None) -> Row:
    """The row for the graphics card."""
    if driver is None:
        return Row("graphics card", "missing", "no NVIDIA driver", NOT_NEEDED)
    if driver.fault:
        advice = "Install the driver anew and restart. " + NOT_NEEDED
        return Row("graphics card", "warn", f"the driver does not answer properly: {driver.fault}", advice)
    each = [f"{gpu.name}, {gpu.free / 1024:.1f} of {gpu.total / 1024:.1f} GB free" for gpu in driver.gpus]
    runs = f", runs CUDA up to {driver.cuda}" if driver.cuda else ""
    return Row("graphics card", "ok", f"{'; '.join(each)}; driver {driver.gpus[0].driver}{runs}")


def find_torch() -> Torch | None:
    """The installed torch, its CUDA build read from its version file; asked in a child process whether it sees a GPU."""
    version, folder = version_of("torch"), package_folder("torch")
    if version is None or folder is None:
        return None
    try:
        cuda = cuda_of((folder / "version.py").read_text(encoding="utf-8"))
    except OSError:
        return Torch(version, None, fault="its files are incomplete")
    asked = run_python(_TORCH_PROBE, seconds=PROBE_SECONDS)
    if not asked.worked:
        fault = (
            f"not loaded within {PROBE_SECONDS:.0f} s" if asked.timed_out else f"cannot be loaded: {asked.last_line}"
        )
        return Torch(version, cuda, fault=fault)
    answer = json.loads(asked.output.splitlines()[-1])
    return Torch(version, cuda, answer["available"], tuple(answer["archs"]))


def cuda_of(version_file: str) -> str | None:
    """The value of `cuda` in the text of torch/version.py; None for a build for processors only."""
    for node in ast.parse(version_file).body:
        targets = (
            [node.target] if isinstance(node, ast.AnnAssign) else node.targets if isinstance(node, ast.Assign) else []
        )
        named = any(isinstance(target, ast.Name) and target.id == "cuda" for target in targets)
        if named and isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Constant):
            return str(node.value.value) if node.value.value else None
    return None


def torch_row(torch: Torch | None, driver: Driver | None) -> Row:
    """torch against the driver: is it there, is it the build for this card, and does it see the card?"""
    gpu = bool(driver and driver.gpus)
    if torch is None:
        return Row("torch", "missing", "not installed", NOT_NEEDED)
    value = f"{torch.version}, " + (f"built for CUDA {torch.cuda}" if torch.cuda else "built for the processor only")
    if torch.fault:
        return Row("torch", "warn", f"{value}; {torch.fault}", f"Mend it with: {TORCH_COMMAND}")
    if not gpu:
        return Row(
            "torch", "ok", value, "There is no NVIDIA driver, so it runs on the processor." if torch.cuda else ""
        )
    if torch.cuda is None:
        return Row("torch", "warn", value, f"There is an NVIDIA card, but this build cannot use it: {TORCH_COMMAND}")
    old = _old_driver(torch.cuda, driver) if driver else ""
    if old:
        return Row("torch", "warn", value, f"{old}: update the driver, or take a build that fits: {TORCH_COMMAND}")
    strange = [gpu for gpu in driver.gpus if not runs_on(torch.archs, gpu.capability)] if driver else []
    if strange:
        return Row("torch", "warn", value, _no_code(strange[0]))
    if not torch.available:
        return Row("torch", "warn", f"{value}; it sees no card", f"Restart after a driver update, or: {TORCH_COMMAND}")
    return Row("torch", "ok", f"{value}; sees the card")


def _old_driver(cuda: str, driver: Driver) -> str:
    """Why the driver cannot run a build for `cuda`; "" when it can, or when it does not say which it is."""
    needs, version = MINIMUM_DRIVERS.get(_major(cuda)), driver.gpus[0].driver
    behind = f"CUDA {_major(cuda)} needs driver {needs} or newer, this is {version}"
    known = bool(needs and 0 < _major(version) < needs)
    if driver.cuda and _major(cuda) > _major(driver.cuda):
        return f"The driver runs CUDA up to {driver.cuda}" + (f" ({behind})" if known else "")
    return behind if known and not driver.cuda else ""


def _no_code(gpu: Gpu) -> str:
    said = f"This build has no code for {gpu.name} (compute {gpu.capability})"
    card = _numbers(gpu.capability)
    if card is not None and card < OLDEST_CARD:
        return f"{said}, and no newer one has: the card is too old for the GPU engines. {NOT_NEEDED}"
    return f"{said}: {TORCH_COMMAND}"


def runs_on(archs: Sequence[str], capability: str) -> bool:
    """Whether a build with `archs` ("sm_80", "compute_90") has code for a card of `capability` ("8.6"); True if unknown.

    Machine code runs on cards of the same major version and at least its minor one; "compute_" code on any newer card:
    https://docs.nvidia.com/cuda/cuda-c-programming-guide/#application-compatibility
    """
    card = _numbers(capability)
    if not archs or card is None:
        return True
    for arch in archs:
        found = re.fullmatch(r"(sm|compute)_(\d+)(\d)[a-z]?", arch)
        if not found:
            continue
        code = (int(found[2]), int(found[3]))
        if (found[1] == "compute" and code <= card) or (code[0] == card[0] and code[1] <= card[1]):
            return True
    return False


def _major(version: str) -> int:
    numbers = _numbers(version)
    return numbers[0] if numbers else 0


def _numbers(version: str) -> tuple[int, int] | None:
    found = re.match(r"(\d+)\.(\d+)", version)
    return (int(found[1]), int(found[2])) if found else None
