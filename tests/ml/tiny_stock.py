"""Writes FLUX.2-klein-4B and Qwen-Image-Edit-2511 with small random weights, in the folder layouts they are published in.

Same classes, configuration keys and number of latent channels as the published ones; a few channels and one block each.
"""

from pathlib import Path

TURN = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% if enable_thinking is defined and not enable_thinking %}"
    "<think>\n\n</think>\n\n{% endif %}{% endif %}"
)
SPECIAL = (
    *("<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|vision_pad|>"),
    *("<|image_pad|>", "<|video_pad|>"),
)


def _bytes_as_letters():
    """The 256 letters that byte-level BPE writes bytes with."""
    own = [*range(33, 127), *range(161, 173), *range(174, 256)]
    others = [byte for byte in range(256) if byte not in own]
    return [chr(byte) for byte in own] + [chr(256 + index) for index in range(len(others))]


def _tokenizer():
    """A byte-level tokenizer of Qwen's class that knows no merges: a token a byte, then the special ones."""
    from transformers import Qwen2TokenizerFast

    vocabulary = {letter: index for index, letter in enumerate(_bytes_as_letters())}
    tokenizer = Qwen2TokenizerFast(
        vocab=vocabulary, merges=[], pad_token="<|endoftext|>", eos_token="<|im_end|>", chat_template=TURN
    )
    tokenizer.add_special_tokens({"additional_special_tokens": list(SPECIAL)})
    return tokenizer


def _shaken(module, *, seed):
    """`module` with reproducible weights in which nothing is zero that a fresh model zeroes."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.normal_(0.0, parameter[0].numel() ** -0.5, generator=generator)
    return module.eval()


def _scheduler(**changes):
    from diffusers import FlowMatchEulerDiscreteScheduler

    return FlowMatchEulerDiscreteScheduler(num_train_timesteps=1000, use_dynamic_shifting=True, **changes)


def write_klein(folder: Path, *, distilled: bool = True) -> Path:
    """black-forest-labs/FLUX.2-klein-4B: model_index.json, scheduler, text_encoder, tokenizer, transformer, vae."""
    from diffusers import AutoencoderKLFlux2, Flux2KleinPipeline, Flux2Transformer2DModel
    from transformers import Qwen3Config, Qwen3ForCausalLM

    tokenizer = _tokenizer()
    words = Qwen3Config(
        vocab_size=len(tokenizer) + 8, hidden_size=8, intermediate_size=16, num_hidden_layers=30, num_attention_heads=2,
        num_key_value_heads=1, head_dim=8, max_position_embeddings=1024, tie_word_embeddings=True,
    )  # fmt: skip
    transformer = Flux2Transformer2DModel(
        in_channels=128, num_layers=1, num_single_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=24, axes_dims_rope=(2, 2, 2, 2), rope_theta=2000, mlp_ratio=3.0, guidance_embeds=False,
    )  # fmt: skip
    vae = AutoencoderKLFlux2(
        block_out_channels=(4, 4, 4, 4), layers_per_block=1, latent_channels=32, norm_num_groups=2, sample_size=1024
    )
    Flux2KleinPipeline(
        scheduler=_scheduler(shift=3.0),
        vae=_shaken(vae, seed=1),
        text_encoder=_shaken(Qwen3ForCausalLM(words), seed=2),
        tokenizer=tokenizer,
        transformer=_shaken(transformer, seed=3),
        is_distilled=distilled,
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def write_qwen(folder: Path) -> Path:
    """Qwen/Qwen-Image-Edit-2511: the same parts and `processor`; a vision tower of one block in the text encoder."""
    from diffusers import AutoencoderKLQwenImage, QwenImageEditPlusPipeline, QwenImageTransformer2DModel
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2VLImageProcessor,
        Qwen2VLProcessor,
        Qwen2VLVideoProcessor,
    )

    tokenizer = _tokenizer()
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    starts, ends = tokenizer.convert_tokens_to_ids(["<|vision_start|>", "<|vision_end|>"])
    rope = {"rope_type": "default", "mrope_section": [1, 1, 2], "rope_theta": 1000000.0}
    config = Qwen2_5_VLConfig(
        text_config={
            "vocab_size": len(tokenizer) + 8, "hidden_size": 16, "intermediate_size": 32, "num_hidden_layers": 1,
            "num_attention_heads": 2, "num_key_value_heads": 1, "rope_parameters": rope,
        },
        vision_config={
            "depth": 1, "hidden_size": 16, "intermediate_size": 32, "num_heads": 2, "out_hidden_size": 16,
            "patch_size": 14, "spatial_merge_size": 2, "fullatt_block_indexes": [0], "window_size": 112,
        },
        image_token_id=ids["image_pad"], video_token_id=ids["video_pad"],
        vision_start_token_id=starts, vision_end_token_id=ends,
    )  # fmt: skip
    processor = Qwen2VLProcessor(
        Qwen2VLImageProcessor(min_pixels=56 * 56, max_pixels=112 * 112), tokenizer, Qwen2VLVideoProcessor()
    )
    transformer = QwenImageTransformer2DModel(
        in_channels=64, out_channels=16, num_layers=1, attention_head_dim=8, num_attention_heads=2,
        joint_attention_dim=16, axes_dims_rope=(4, 2, 2), zero_cond_t=True,
    )  # fmt: skip
    vae = AutoencoderKLQwenImage(base_dim=4, z_dim=16, dim_mult=[1, 1, 1, 1], num_res_blocks=1)
    QwenImageEditPlusPipeline(
        scheduler=_scheduler(
            base_image_seq_len=256,
            base_shift=0.5,
            max_image_seq_len=8192,
            max_shift=0.9,
            shift=1.0,
            shift_terminal=0.02,
        ),
        vae=_shaken(vae, seed=1),
        text_encoder=_shaken(Qwen2_5_VLForConditionalGeneration(config), seed=2),
        tokenizer=tokenizer,
        processor=processor,
        transformer=_shaken(transformer, seed=3),
    ).save_pretrained(folder, safe_serialization=True)
    return folder


def write_lightning(folder: Path, *, rank: int = 2) -> Path:
    """lightx2v/Qwen-Image-Edit-2511-Lightning for `write_qwen`: one safetensors file of lora_down, lora_up and alpha."""
    import torch
    from safetensors.torch import save_file

    generator = torch.Generator().manual_seed(4)
    layers = {"attn.to_q": (16, 16), "attn.add_k_proj": (16, 16), "img_mlp.net.2": (64, 16), "img_mod.1": (16, 96)}
    tensors = {}
    for name, (inner, outer) in layers.items():
        key = f"transformer_blocks.0.{name}"
        tensors[f"{key}.lora_down.weight"] = torch.randn(rank, inner, generator=generator)
        tensors[f"{key}.lora_up.weight"] = torch.randn(outer, rank, generator=generator)
        tensors[f"{key}.alpha"] = torch.tensor(float(rank))
    folder.mkdir(parents=True, exist_ok=True)
    save_file(tensors, folder / "Qwen-Image-Edit-2511-Lightning-4steps-V1.0-bf16.safetensors")
    return folder
