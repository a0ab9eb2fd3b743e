"""Cutting out what a box and points mean, with SAM; the photo is encoded once and its embedding kept."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np

from outfitswap_desktop import paths
from outfitswap_desktop.core.arrays import F32, RGB, Mask
from outfitswap_desktop.errors import NotAvailable, UsageProblem
from outfitswap_desktop.ml.embedding_cache import Embedding, EmbeddingCache
from outfitswap_desktop.ml.failures import library
from outfitswap_desktop.ml.parts import Counters, OnDevice, Store, fingerprint, give_back, torch_device
from outfitswap_desktop.ml.sam import LOADERS, MOBILE, Load, SamNetwork, answer

FOLDER: Final = "embeddings"
Prompted = tuple[float, float, bool]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What is meant: a box (x0, y0, x1, y1), points (x, y, inside?), or both, in photo pixels."""

    box: tuple[float, float, float, float] | None = None
    points: tuple[Prompted, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """Logits (H, W), > 0 inside, and the network's own guess of its quality (intersection over union, about 0..1)."""

    logits: F32
    quality: float


class Refiner(Protocol):
    """Answers prompts about a photo (H, W, 3) sRGB. Everything raises NotAvailable when it cannot run."""

    name: str

    def prepare(self) -> None: ...
    def answers(self, photo: RGB, prompts: tuple[Prompt, ...]) -> tuple[Answer, ...]: ...
    def refine_click(
        self,
        photo: RGB,
        *,
        box: tuple[float, float, float, float] | None,
        points: tuple[tuple[float, float], ...],
        labels: tuple[bool, ...],
    ) -> Mask: ...
    def as_values(self) -> dict[str, Any]: ...
    def close(self) -> None: ...


def disk_cache() -> EmbeddingCache:
    """The cache in the program's own cache folder."""
    return EmbeddingCache(paths.cache_dir() / FOLDER)


class SamRefiner:
    """SAM with the best weights that are installed: ViT-B, else MobileSAM; on the processor the other way round, for there the
    large image encoder takes the better part of a minute. Loaded at the first prompt and kept.
    """

    name = "sam"

    def __init__(
        self,
        store: Store,
        *,
        device: OnDevice,
        cache: EmbeddingCache | None = None,
        loaders: Mapping[str, Load] = LOADERS,
    ) -> None:
        self._store = store
        self._device = device
        self._cache = cache if cache is not None else disk_cache()
        order = sorted(loaders, key=lambda one: one != MOBILE) if device.kind == "cpu" else list(loaders)
        self._loaders = {weights_id: loaders[weights_id] for weights_id in order}
        self._network: SamNetwork | None = None
        self._weights = ""
        self.reasons: tuple[str, ...] = ()
        self.counters = Counters()

    def prepare(self) -> None:
        """Load the network now; raises NotAvailable where there is none, before other work is done in vain."""
        self._loaded()

    def answer(self, photo: RGB, prompt: Prompt, *, several: bool = False) -> Answer:
        """See Refiner. `several`: of three answers the one that the network likes best, for a prompt of many meanings."""
        return self.answers(photo, (prompt,), several=several)[0]

    def answers(self, photo: RGB, prompts: tuple[Prompt, ...], *, several: bool = False) -> tuple[Answer, ...]:
        """An answer to each prompt about one photo, which is looked up once."""
        network = self._loaded()
        embedding = self._embedding(network, photo, self._key_of(photo))
        return tuple(self._answer(network, embedding, photo, prompt, several) for prompt in prompts)

    def _answer(self, network: SamNetwork, embedding: Embedding, photo: RGB, prompt: Prompt, several: bool) -> Answer:
        import torch

        if prompt.box is None and not prompt.points:
            raise UsageProblem("Neither a box nor a point was given.", reason="refine")
        shape = (photo.shape[0], photo.shape[1])
        with self.counters.running(), torch.inference_mode(), library("Cutting out with SAM"):
            features = torch.tensor(embedding, device=torch_device(self._device), dtype=torch.float32)
            low, quality = answer(network, features, shape, box=prompt.box, points=prompt.points, several=several)
            best = int(quality.argmax())
            whole = network.enlarge(low[best : best + 1], shape)
            return Answer(np.asarray(whole.float().cpu().numpy(), np.float32), float(quality[best]))

    def refine_click(
        self,
        photo: RGB,
        *,
        box: tuple[float, float, float, float] | None,
        points: tuple[tuple[float, float], ...],
        labels: tuple[bool, ...],
    ) -> Mask:
        """The thing (H, W) 0/255 that fills `box` or lies at the `points` labelled True and not at those labelled False."""
        prompted = tuple((x, y, bool(inside)) for (x, y), inside in zip(points, labels, strict=True))
        several = box is None and len(prompted) == 1
        found = self.answer(photo, Prompt(box, prompted), several=several)
        return np.where(found.logits > 0, np.uint8(255), np.uint8(0))

    def as_values(self) -> dict[str, Any]:
        """Which weights, and what loading and encoding took so far."""
        return {
            "weights": self._network.weights_id if self._network is not None else None,
            "hashes": self._weights,
            "load_seconds": round(self.counters.load_seconds, 3),
            "encodes": self.counters.encodes,
            "memory_hits": self.counters.memory_hits,
            "disk_hits": self.counters.disk_hits,
        }

    def close(self) -> None:
        """Give the network's memory back; embeddings stay."""
        self._network = None
        give_back(self._device)

    def _loaded(self) -> SamNetwork:
        """The network; of several the first that is installed and loads. The others' sentences stay in `reasons`."""
        if self._network is not None:
            return self._network
        problems: list[NotAvailable] = []
        for weights_id, load in self._loaders.items():
            try:
                weights = self._store.open(weights_id)
                with self.counters.loading():
                    self._network = load(weights, self._device)
            except NotAvailable as problem:
                problems.append(problem)
                continue
            self._weights = fingerprint(weights)
            self.reasons = tuple(p.message for p in problems if p.reason != "weights_missing")
            return self._network
        worst = next((p for p in problems if p.reason != "weights_missing"), problems[0])
        raise NotAvailable(
            " ".join(dict.fromkeys(p.message for p in problems)), reason=worst.reason, hint=worst.hint
        ) from worst

    def _embedding(self, network: SamNetwork, photo: RGB, key: str) -> Embedding:
        import torch

        kept, where = self._cache.get(key)
        if kept is not None:
            self.counters.memory_hits += where == "memory"
            self.counters.disk_hits += where == "disk"
            return kept
        with torch.inference_mode(), library("Reading the photo with SAM"):
            made: Embedding = network.encode(photo).cpu().numpy()
        self.counters.encodes += 1
        self._cache.put(key, made)
        return made

    def _key_of(self, photo: RGB) -> str:
        """Hash of pixels, size, weights and device: what the embedding depends on. 30 ms for 12 megapixels."""
        told = f"{photo.shape} {self._weights} {self._device.kind} {self._device.dtype}"
        digest = hashlib.sha256(np.ascontiguousarray(photo).data)
        digest.update(told.encode())
        return digest.hexdigest()
