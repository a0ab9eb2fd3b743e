"""Words for the net: the recipe's template, CLIP's tokens and embeddings, and a cache of these."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.core.zones import Zone

if TYPE_CHECKING:
    from torch import Tensor

    from outfitswap_desktop.ml.diffusion.conditions import Counters

KEPT: Final = 64
_GARMENTS: Final = {
    Zone.TOP: "a top",
    Zone.BOTTOM: "trousers",
    Zone.DRESS: "a dress",
    Zone.OUTER: "a jacket",
    Zone.FULL: "an outfit",
}
"""What is written where only a picture says what to wear."""


def worded(template: str, prompt: str, zone: Zone) -> str:
    """The sentence for the net: `prompt` in the template's place, the zone's garment without a prompt."""
    return template.replace("{prompt}", prompt.strip() or _GARMENTS[zone])


@dataclass(frozen=True, slots=True, eq=False)
class Embedded:
    """`embeds` (1, 77, width), `pooled` (1, width) or None (sd15); `lost` are the words beyond CLIP's 77 tokens."""

    embeds: Tensor
    pooled: Tensor | None
    lost: str


class Prompts:
    """Encodes sentences and keeps the last KEPT of them."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._kept: OrderedDict[str, Embedded] = OrderedDict()

    def clear(self) -> None:
        self._kept.clear()

    def embed(
        self, texts: Sequence[str], *, tokenizers: Sequence[Any], ready: Callable[[], Sequence[Any]]
    ) -> list[Embedded]:
        """Embeddings of `texts`; `ready` is called only when one is new, and answers the encoders, on their device."""
        encoders: Sequence[Any] | None = None
        for text in texts:
            if text in self._kept:
                self._kept.move_to_end(text)
                continue
            encoders = ready() if encoders is None else encoders
            self._kept[text] = _encode(text, tokenizers, encoders)
            self._counters.text_encodes += 1
        found = [self._kept[text] for text in texts]
        while len(self._kept) > KEPT:
            self._kept.popitem(last=False)
        return found


def _encode(text: str, tokenizers: Sequence[Any], encoders: Sequence[Any]) -> Embedded:
    """As diffusers does: sd15 takes the last layer after its norm, sdxl the last but one of both encoders."""
    import torch

    parts: list[Tensor] = []
    pooled, lost = None, ""
    with torch.inference_mode():
        for tokenizer, encoder in zip(tokenizers, encoders, strict=True):
            most = tokenizer.model_max_length
            ids = tokenizer(text, padding="max_length", max_length=most, truncation=True, return_tensors="pt").input_ids
            if not parts:
                whole = tokenizer(text, truncation=False, verbose=False).input_ids
                lost = tokenizer.decode(whole[most - 1 : -1]).strip() if len(whole) > most else ""
            several = len(encoders) > 1
            out = encoder(ids.to(encoder.device), output_hidden_states=several)
            parts.append(out.hidden_states[-2] if several else out.last_hidden_state)
            if several:
                pooled = out[0]
        return Embedded(torch.cat(parts, dim=-1), pooled, lost)
