"""Writes the inpainting models sd15 and sdxl with small random weights, in the folder layouts they are published in.

Same classes, file names and configuration keys as the published ones (fp16 variant, one file a part), four latent channels and
eight pixels a latent cell; a few channels and one or two blocks. ControlNets and IP-Adapter Plus weights to go with them.
"""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path

LEGACY = {"query": "to_q", "key": "to_k", "value": "to_v", "proj_attn": "to_out.0"}
"""How the published VAEs of SD 1.5 still call the parts of their attention."""
WORDS = ("a", "photo", "of", "person", "wearing", "navy", "linen", "shirt", "red", "dress", "blurry")


@dataclass(frozen=True)
class Opened:
    """What a store answers for weights that are installed."""

    id: str
    folder: Path
    hashes: dict
    revision: str = "0123456789abcdef"


@dataclass
class FolderStore:
    """A store whose weights are folders beside each other: the id is the folder's name."""

    root: Path
    opened: list = field(default_factory=list)

    def open(self, weights_id):
        from outfitswap_desktop.errors import NotAvailable

        folder = self.root / weights_id
        if not folder.is_dir():
            raise NotAvailable(
                f"The weights {weights_id} are not installed.", reason="weights_missing", hint="Get them."
            )
        self.opened.append(weights_id)
        files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
        sums = {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}
        return Opened(weights_id, folder, sums)

    def installed(self):
        return tuple(path.name for path in sorted(self.root.iterdir()) if path.is_dir())


def shaken(module, *, seed, scale=1.0):
    """`module` with reproducible weights in which nothing is zero that a fresh model zeroes."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, parameter in module.named_parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, scale * parameter[0].numel() ** -0.5, generator=generator)
            elif name.endswith("bias"):
                parameter.normal_(0.0, 0.05, generator=generator)
    return module.eval()


def _keep(module, folder, *, legacy=False):
    """Save a diffusers model as its fp16 variant, as published."""
    import torch

    module.to(torch.float16).save_pretrained(folder, variant="fp16")
    if legacy:
        from safetensors.torch import load_file, save_file

        file = folder / "diffusion_pytorch_model.fp16.safetensors"
        state = load_file(file)
        for new, old in ((new, old) for old, new in LEGACY.items()):
            state = {key.replace(f"attentions.0.{new}.", f"attentions.0.{old}."): value for key, value in state.items()}
        save_file(state, file, metadata={"format": "pt"})


def write_tokenizer(folder: Path, *, pad: str = "<|endoftext|>") -> int:
    """CLIP's own files with a vocabulary of letters and a few words; returns the number of tokens."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    letters = [chr(byte) for byte in own] + [chr(256 + index) for index in range(len(others))]
    tokens, merges = [*letters, *(letter + "</w>" for letter in letters)], []
    for word in WORDS:
        parts = [*word[:-1], word[-1] + "</w>"]
        while len(parts) > 1:
            merges.append(f"{parts[0]} {parts[1]}")
            parts = [parts[0] + parts[1], *parts[2:]]
            tokens.append(parts[0])
    tokens = list(dict.fromkeys([*tokens, "<|startoftext|>", "<|endoftext|>"]))
    merges = list(dict.fromkeys(merges))
    folder.mkdir(parents=True)
    vocabulary = {token: index for index, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(vocabulary, ensure_ascii=False), "utf-8")
    (folder / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n", "utf-8")
    special = {
        "bos_token": "<|startoftext|>",
        "eos_token": "<|endoftext|>",
        "unk_token": "<|endoftext|>",
        "pad_token": pad,
    }
    (folder / "special_tokens_map.json").write_text(json.dumps(special), "utf-8")
    config = {
        **special,
        "add_prefix_space": False,
        "do_lower_case": True,
        "errors": "replace",
        "model_max_length": 77,
        "tokenizer_class": "CLIPTokenizer",
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(config), "utf-8")
    return len(tokens)


def _text_encoder(folder: Path, *, tokens, width, projected, seed, act="quick_gelu"):
    import torch
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

    config = CLIPTextConfig(
        vocab_size=tokens,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        num_attention_heads=4,
        max_position_embeddings=77,
        hidden_act=act,
        projection_dim=width,
        bos_token_id=tokens - 2,
        eos_token_id=tokens - 1,
        pad_token_id=1,
    )
    model = (CLIPTextModelWithProjection if projected else CLIPTextModel)(config)
    shaken(model, seed=seed).to(torch.float16).save_pretrained(folder)
    (folder / "model.safetensors").rename(folder / "model.fp16.safetensors")


def write_vae(folder: Path, *, seed=3, scaling=0.18215, upcast=False, legacy=False):
    """An AutoencoderKL with the published number of levels."""
    from diffusers import AutoencoderKL

    vae = AutoencoderKL(
        down_block_types=["DownEncoderBlock2D"] * 4,
        up_block_types=["UpDecoderBlock2D"] * 4,
        block_out_channels=[8, 8, 16, 16],
        layers_per_block=1,
        latent_channels=4,
        norm_num_groups=4,
        sample_size=64,
        scaling_factor=scaling,
        force_upcast=upcast,
    )
    _keep(shaken(vae, seed=seed), folder, legacy=legacy)
    return folder


SD15_UNET = {
    "in_channels": 9,
    "out_channels": 4,
    "sample_size": 64,
    "block_out_channels": [32, 64],
    "layers_per_block": 2,
    "down_block_types": ["CrossAttnDownBlock2D", "DownBlock2D"],
    "up_block_types": ["UpBlock2D", "CrossAttnUpBlock2D"],
    "cross_attention_dim": 32,
    "attention_head_dim": 4,
    "norm_num_groups": 8,
}
SDXL_UNET = {
    "in_channels": 9,
    "out_channels": 4,
    "sample_size": 128,
    "block_out_channels": [32, 64],
    "layers_per_block": 2,
    "down_block_types": ["DownBlock2D", "CrossAttnDownBlock2D"],
    "up_block_types": ["CrossAttnUpBlock2D", "UpBlock2D"],
    "transformer_layers_per_block": [1, 2],
    "use_linear_projection": True,
    "cross_attention_dim": 32 + 40,
    "attention_head_dim": [4, 8],
    "norm_num_groups": 8,
    "addition_embed_type": "text_time",
    "addition_time_embed_dim": 8,
    "projection_class_embeddings_input_dim": 6 * 8 + 40,
}
PNDM = {
    "_class_name": "PNDMScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "num_train_timesteps": 1000,
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "trained_betas": None,
}
EULER = {
    "_class_name": "EulerDiscreteScheduler",
    "beta_end": 0.012,
    "beta_schedule": "scaled_linear",
    "beta_start": 0.00085,
    "clip_sample": False,
    "interpolation_type": "linear",
    "num_train_timesteps": 1000,
    "prediction_type": "epsilon",
    "set_alpha_to_one": False,
    "skip_prk_steps": True,
    "steps_offset": 1,
    "timestep_spacing": "leading",
    "trained_betas": None,
    "use_karras_sigmas": False,
}


def _json(folder: Path, name: str, document):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(json.dumps(document, indent=2), "utf-8")


def _unet(folder: Path, config, *, seed=1):
    from diffusers import UNet2DConditionModel

    _keep(shaken(UNet2DConditionModel(**config), seed=seed, scale=1.0), folder)


def write_sd15(folder: Path, *, unet=None) -> Path:
    """stable-diffusion-v1-5/stable-diffusion-inpainting; `unet` changes its UNet's configuration."""
    tokens = write_tokenizer(folder / "tokenizer")
    _text_encoder(folder / "text_encoder", tokens=tokens, width=32, projected=False, seed=2)
    write_vae(folder / "vae", legacy=True)
    _unet(folder / "unet", {**SD15_UNET, **(unet or {})})
    _json(folder / "scheduler", "scheduler_config.json", PNDM)
    _json(folder / "feature_extractor", "preprocessor_config.json", {"crop_size": 224, "size": 224})
    index = {
        "_class_name": "StableDiffusionInpaintPipeline",
        "_diffusers_version": "0.10.1",
        "feature_extractor": ["transformers", "CLIPImageProcessor"],
        "safety_checker": [None, None],
        "scheduler": ["diffusers", "PNDMScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    _json(folder, "model_index.json", index)
    return folder


def write_sdxl(folder: Path, *, unet=None) -> Path:
    """diffusers/stable-diffusion-xl-1.0-inpainting-0.1; `unet` changes its UNet's configuration."""
    tokens = write_tokenizer(folder / "tokenizer")
    write_tokenizer(folder / "tokenizer_2", pad="!")
    _text_encoder(folder / "text_encoder", tokens=tokens, width=32, projected=False, seed=2)
    _text_encoder(folder / "text_encoder_2", tokens=tokens, width=40, projected=True, seed=4, act="gelu")
    write_vae(folder / "vae", scaling=0.13025, upcast=True)
    _unet(folder / "unet", {**SDXL_UNET, **(unet or {})})
    _json(folder / "scheduler", "scheduler_config.json", EULER)
    index = {
        "_class_name": "StableDiffusionXLInpaintPipeline",
        "_diffusers_version": "0.21.0.dev0",
        "force_zeros_for_empty_prompt": True,
        "requires_aesthetics_score": False,
        "scheduler": ["diffusers", "EulerDiscreteScheduler"],
        "text_encoder": ["transformers", "CLIPTextModel"],
        "text_encoder_2": ["transformers", "CLIPTextModelWithProjection"],
        "tokenizer": ["transformers", "CLIPTokenizer"],
        "tokenizer_2": ["transformers", "CLIPTokenizer"],
        "unet": ["diffusers", "UNet2DConditionModel"],
        "vae": ["diffusers", "AutoencoderKL"],
    }
    _json(folder, "model_index.json", index)
    return folder


def write_lcm(folder: Path, engine: Path) -> Path:
    """Few-step LoRA weights for the UNet in `engine`, written as LCM-LoRA is: attention and convolutions, kohya's keys."""
    import torch
    from diffusers import UNet2DConditionModel
    from safetensors.torch import save_file

    unet = UNet2DConditionModel.from_config(UNet2DConditionModel.load_config(engine / "unet"))
    draw = torch.Generator().manual_seed(31)
    state = {}
    for name, module in unet.named_modules():
        shape = getattr(getattr(module, "weight", None), "shape", ())
        if len(shape) not in (2, 4) or not any(part in name for part in ("to_q", "to_out.0", "conv1", "ff.net.0.proj")):
            continue
        key = f"lora_unet_{name.replace('.', '_')}"
        ending = (1, 1) if len(shape) == 4 else ()
        state[f"{key}.lora_down.weight"] = 0.2 * torch.randn(4, *shape[1:], generator=draw)
        state[f"{key}.lora_up.weight"] = 0.2 * torch.randn(shape[0], 4, *ending, generator=draw)
        state[f"{key}.alpha"] = torch.tensor(2.0)
    folder.mkdir(parents=True)
    save_file(state, folder / "pytorch_lora_weights.safetensors")
    return folder


def controlnet(unet_config, *, seed=11):
    """A ControlNet for the UNet of `unet_config`, none of its layers zero."""
    from diffusers import ControlNetModel

    skipped = {"in_channels", "out_channels", "sample_size", "up_block_types"}
    config = {key: value for key, value in unet_config.items() if key not in skipped}
    net = ControlNetModel(in_channels=4, conditioning_embedding_out_channels=[8, 8, 16, 16], **config)
    return shaken(net, seed=seed)


def write_ip_adapter(file: Path, unet, *, tokens=4, width=48, seed=21) -> Path:
    """Weights of IP-Adapter Plus for `unet` as h94/IP-Adapter publishes them; the image encoder is `width` wide."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(seed)

    def weight(*shape):
        return torch.randn(*shape, generator=generator) * shape[-1] ** -0.5

    inner, out = 64, unet.config.cross_attention_dim
    state = {
        "image_proj.latents": weight(1, tokens, inner),
        "image_proj.proj_in.weight": weight(inner, width),
        "image_proj.proj_in.bias": torch.zeros(inner),
        "image_proj.proj_out.weight": weight(out, inner),
        "image_proj.proj_out.bias": torch.zeros(out),
        "image_proj.norm_out.weight": torch.ones(out),
        "image_proj.norm_out.bias": torch.zeros(out),
    }
    for layer in range(4):
        head = f"image_proj.layers.{layer}"
        state |= {
            f"{head}.0.norm1.weight": torch.ones(inner),
            f"{head}.0.norm1.bias": torch.zeros(inner),
            f"{head}.0.norm2.weight": torch.ones(inner),
            f"{head}.0.norm2.bias": torch.zeros(inner),
            f"{head}.0.to_q.weight": weight(inner, inner),
            f"{head}.0.to_kv.weight": weight(2 * inner, inner),
            f"{head}.0.to_out.weight": weight(inner, inner),
            f"{head}.1.0.weight": torch.ones(inner),
            f"{head}.1.0.bias": torch.zeros(inner),
            f"{head}.1.1.weight": weight(4 * inner, inner),
            f"{head}.1.3.weight": weight(inner, 4 * inner),
        }
    number = 1
    for name in unet.attn_processors:
        if name.endswith("attn2.processor"):
            module = unet.get_submodule(name.removesuffix(".processor"))
            state[f"ip_adapter.{number}.to_k_ip.weight"] = weight(module.to_k.out_features, out)
            state[f"ip_adapter.{number}.to_v_ip.weight"] = weight(module.to_k.out_features, out)
            number += 2
    file.parent.mkdir(parents=True, exist_ok=True)
    save_file(state, file)
    return file
