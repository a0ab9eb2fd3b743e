"""Which diffusion engine can run on this machine, and why not: weights, torch, card; torch is asked last."""

from __future__ import annotations

import importlib.util
from typing import Final

from outfitswap_desktop.errors import NotAvailable
from outfitswap_desktop.ml.device import Device, find_device
from outfitswap_desktop.ml.recipes import Recipe, recipes
from outfitswap_desktop.weights.store import WeightsStore

PREFERRED: Final = ("klein", "sdxl", "sd15")
"""What "auto" tries, best first; qwen is slower than all of them and only used when it is asked for."""
GIB: Final = 1 << 30
NO_TORCH: Final = "Install them with the extra: uv sync --extra gpu, or pip install 'outfitswap-desktop[gpu]'."


def find_recipe(name: str, store: WeightsStore) -> Recipe:
    """The recipe of a diffusion engine whose weights and libraries are there.

    Raises NotAvailable: "weights_missing", "weights_damaged", "licence_not_accepted" or "torch_missing".
    """
    recipe = recipes()[name]
    for weights_id in store.catalogue.needs(name):
        try:
            store.open(weights_id)
        except NotAvailable as problem:
            raise NotAvailable(
                f"The engine {name} cannot run: {problem.message}", reason=problem.reason, hint=problem.hint
            ) from problem
    if not has_torch():
        raise NotAvailable(f"The engine {name} needs torch and diffusers.", reason="torch_missing", hint=NO_TORCH)
    return recipe


def has_torch() -> bool:
    """Whether the libraries of the extra `gpu` are there, without loading them."""
    return all(importlib.util.find_spec(name) is not None for name in ("torch", "diffusers", "transformers"))


def is_diffusion(name: str) -> bool:
    """Whether an engine of that name has a recipe."""
    return name in recipes()


def asked_for(name: str, store: WeightsStore) -> str:
    """Why an engine that was asked for by name is used, in one sentence; raises NotAvailable as `find_recipe`."""
    find_recipe(name, store)
    device = find_device()
    if device.kind == "cuda":
        return f"asked for; it runs on {device.name}."
    return f"asked for; there is no CUDA card, so it runs on {_where(device)}, slowly."


def best(store: WeightsStore) -> tuple[str | None, str]:
    """What "auto" takes, None for the embedded engine, and why in one sentence."""
    there = [name for name in PREFERRED if _is_there(name, store)]
    if not there:
        return None, "auto: the embedded fabric engine, because no weights of a diffusion engine are installed."
    if not has_torch():
        return None, f"auto: the embedded fabric engine; {there[0]} has its weights, but torch is not installed."
    device = find_device()
    if device.kind != "cuda":
        return (
            None,
            f"auto: the embedded fabric engine; {there[0]} is installed, but {_where(device)} takes minutes for it.",
        )
    for name in there:
        if _fits(name, store, device):
            return name, f"auto: {name}, the best installed engine that fits {device.name}."
    need = _need(there[-1], store)
    return None, f"auto: the embedded fabric engine; {there[-1]} needs {need:.0f} GB, {device.name} has less."


def _is_there(name: str, store: WeightsStore) -> bool:
    try:
        for weights_id in store.catalogue.needs(name):
            store.open(weights_id)
    except NotAvailable:
        return False
    return True


def _need(name: str, store: WeightsStore) -> float:
    return max((store.catalogue.get(one).min_vram_gb or 0.0 for one in store.catalogue.needs(name)), default=0.0)


def _fits(name: str, store: WeightsStore, device: Device) -> bool:
    """Cards are sold by decimal names and show a little less than that."""
    return device.total_bytes >= 0.92 * _need(name, store) * GIB


def _where(device: Device) -> str:
    return "Apple's GPU" if device.kind == "mps" else "the processor"
