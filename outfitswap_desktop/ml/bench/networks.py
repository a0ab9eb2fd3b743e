"""The true architectures with random weights on the device, and small ones of the same families for tests and host times."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from outfitswap_desktop.ml.budget.architectures import Component, architectures, build

if TYPE_CHECKING:
    from torch.nn import Module

_TINY_TEXT: Final = {
    "vocab_size": 49408,
    "hidden_size": 32,
    "intermediate_size": 64,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "projection_dim": 32,
}
TINY: Final[Mapping[str, Mapping[str, Any]]] = {
    "sd15.unet": {"block_out_channels": [32, 64, 64, 64], "norm_num_groups": 8, "cross_attention_dim": 32},
    "sdxl.unet": {
        "block_out_channels": [32, 64, 64],
        "norm_num_groups": 8,
        "cross_attention_dim": 64,
        "attention_head_dim": [2, 4, 4],
        "transformer_layers_per_block": [1, 1, 2],
        "addition_time_embed_dim": 8,
        "projection_class_embeddings_input_dim": 80,
    },
    "kl.vae": {"block_out_channels": [8, 16, 16, 16], "norm_num_groups": 4, "layers_per_block": 1},
    "clip-l.text": _TINY_TEXT,
    "bigg.text": _TINY_TEXT,
}
"""What is smaller in the small networks: the same blocks in the same order, the same calls per step, little to compute."""
SCHEDULER: Final = {
    "beta_start": 0.00085,
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "num_train_timesteps": 1000,
    "steps_offset": 1,
    "set_alpha_to_one": False,
    "prediction_type": "epsilon",
    "timestep_spacing": "leading",
}
"""scheduler_config.json of both families, as far as it matters."""


@dataclass(frozen=True, slots=True)
class Networks:
    """The parts of one engine, on one device, in evaluation mode: `texts` are one (sd15) or two (sdxl) encoders."""

    family: str
    unet: Any
    vae: Any
    texts: tuple[Any, ...]

    @property
    def wide(self) -> bool:
        """Whether it is the family with two text encoders and sizes as a condition (sdxl)."""
        return len(self.texts) == 2


def random_networks(family: str, *, device: str, dtype: str, tiny: bool = False) -> Networks:
    """All parts of "sd15" or "sdxl" with random weights, in torch's type `dtype`."""
    names = ["clip-l.text"] if family == "sd15" else ["clip-l.text", "bigg.text"]
    return Networks(
        family,
        random_network(f"{family}.unet", device=device, dtype=dtype, tiny=tiny, seed=1),
        random_network(
            "kl.vae", device=device, dtype=dtype, tiny=tiny, seed=2, scaling=0.18215 if family == "sd15" else 0.13025
        ),
        tuple(random_network(name, device=device, dtype=dtype, tiny=tiny, seed=3 + n) for n, name in enumerate(names)),
    )


def random_network(
    name: str, *, device: str, dtype: str, tiny: bool = False, seed: int = 0, scaling: float | None = None
) -> Any:
    """The component `name` of ml.budget.architectures with random weights, made on the device; `tiny` its small sister."""
    component = architectures().components[name]
    config = {**component.config, **(TINY[name] if tiny else {}), **({"scaling_factor": scaling} if scaling else {})}
    return randomised(build(replace(component, config=config), dtype=dtype), device=device, seed=seed)


def component(name: str) -> Component:
    """The published component of that name."""
    return architectures().components[name]


def randomised(module: Module, *, device: str, seed: int = 0) -> Module:
    """`module` from the meta device with normal numbers on `device`, drawn there.

    Matrices and kernels have the variance 1 / fan-in, so that activations keep their size through the network and stay
    finite in half precision; norms are about 1. Never zeros: multiplying them takes less power, and a card runs faster on them.
    """
    import torch

    module = module.to_empty(device=device)
    generator = torch.Generator(device).manual_seed(seed)

    def normal(tensor: Any, mean: float, deviation: float) -> None:
        tensor.copy_(torch.randn(tensor.shape, generator=generator, device=device) * deviation + mean)

    with torch.no_grad():
        for key, tensor in module.named_parameters():
            if tensor.ndim < 2:
                normal(tensor, 1.0 if key.endswith("weight") else 0.0, 0.02)
            elif "embedding" in key:
                normal(tensor, 0.0, 0.05)
            else:
                normal(tensor, 0.0, 1.0 / math.sqrt(tensor[0].numel()))
        for key, tensor in module.named_buffers():
            if not tensor.is_floating_point():
                tensor.copy_(torch.arange(tensor.numel(), device=device).reshape(tensor.shape))
            elif key.endswith("running_var"):
                tensor.fill_(1.0)
            else:
                normal(tensor, 0.0, 1.0)
    return module


class StubTokenizer:
    """Answers with 77 ids made from the words, as CLIP's tokenizer would in shape: start, words, end, padding."""

    model_max_length = 77
    added_tokens_encoder: Mapping[str, int] = {}

    def __call__(self, prompt: str | list[str], **_: Any) -> Any:
        import torch

        prompts = [prompt] if isinstance(prompt, str) else prompt
        rows = [self._row(text) for text in prompts]
        return _Ids(torch.tensor(rows), torch.ones(len(rows), self.model_max_length, dtype=torch.long))

    def tokenize(self, text: str) -> list[str]:
        return text.split()

    def batch_decode(self, ids: Any, **_: Any) -> list[str]:
        return [""] * len(ids)

    def _row(self, text: str) -> list[int]:
        words = [1000 + sum(word.encode()) % 40000 for word in text.split()[: self.model_max_length - 2]]
        row = [49406, *words, 49407]
        return row + [49407] * (self.model_max_length - len(row))


@dataclass(frozen=True, slots=True)
class _Ids:
    input_ids: Any
    attention_mask: Any
