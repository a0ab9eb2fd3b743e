"""Writes what steers the unet engines with small random weights, in published layouts.

ControlNets, IP-Adapter Plus with its image encoder, Depth Anything, DWPose.
"""

import json
from pathlib import Path

import numpy as np

from tests.ml.tiny import SD15_UNET, SDXL_UNET, controlnet, shaken, write_ip_adapter

UNETS = {"sd15": SD15_UNET, "sdxl": SDXL_UNET}
ADAPTERS = {
    "sd15": "models/ip-adapter-plus_sd15.safetensors",
    "sdxl": "sdxl_models/ip-adapter-plus_sdxl_vit-h.safetensors",
}
ENCODER_WIDTH = 48
CELLS = 64
"""Side of the tiny detector's input; the tiny pose network's is (POSE_WIDTH, POSE_HEIGHT)."""
POSE_WIDTH, POSE_HEIGHT = 36, 48


def write_controlnet(folder: Path, name: str, *, half: bool = False, seed: int = 11) -> Path:
    """A ControlNet for the tiny UNet of recipe `name`, as its fp16 variant alone where `half`."""
    import torch

    net = controlnet(UNETS[name], seed=seed)
    if half:
        net.to(torch.float16).save_pretrained(folder, variant="fp16")
    else:
        net.save_pretrained(folder)
    return folder


def write_image_encoder(folder: Path, *, seed: int = 31) -> Path:
    """A CLIP image encoder ENCODER_WIDTH wide for pictures of 32 px, 17 tokens."""
    import torch
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    torch.manual_seed(seed)  # vectors are left as the class makes them
    config = CLIPVisionConfig(
        hidden_size=ENCODER_WIDTH,
        intermediate_size=2 * ENCODER_WIDTH,
        num_hidden_layers=3,
        num_attention_heads=4,
        image_size=32,
        patch_size=8,
        projection_dim=16,
        hidden_act="gelu",
    )
    shaken(CLIPVisionModelWithProjection(config), seed=seed).save_pretrained(folder)
    return folder


def write_adapter(folder: Path, name: str, *, seed: int = 21) -> Path:
    """IP-Adapter Plus for the tiny UNet of recipe `name`, with its image encoder."""
    from diffusers import UNet2DConditionModel

    write_ip_adapter(folder / ADAPTERS[name], UNet2DConditionModel(**UNETS[name]), width=ENCODER_WIDTH, seed=seed)
    write_image_encoder(folder / "models" / "image_encoder")
    return folder


def write_depth(folder: Path, *, seed: int = 41) -> Path:
    """Depth Anything with a DINOv2 of four small layers, and the image processor's published configuration, smaller."""
    from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation

    backbone = {
        "model_type": "dinov2",
        "image_size": 56,
        "patch_size": 14,
        "hidden_size": 24,
        "num_attention_heads": 2,
        "num_hidden_layers": 4,
        "out_indices": [1, 2, 3, 4],
        "reshape_hidden_states": False,
        "apply_layernorm": True,
        "mlp_ratio": 2,
    }
    config = DepthAnythingConfig(
        backbone_config=backbone,
        reassemble_hidden_size=24,
        neck_hidden_sizes=[8, 8, 16, 16],
        fusion_hidden_size=8,
        head_hidden_size=8,
    )
    shaken(DepthAnythingForDepthEstimation(config), seed=seed).save_pretrained(folder)
    processor = {
        "do_normalize": True,
        "do_rescale": True,
        "do_resize": True,
        "ensure_multiple_of": 14,
        "image_mean": [0.485, 0.456, 0.406],
        "image_processor_type": "DPTImageProcessor",
        "image_std": [0.229, 0.224, 0.225],
        "keep_aspect_ratio": True,
        "resample": 3,
        "rescale_factor": 1 / 255,
        "size": {"height": 56, "width": 56},
    }
    (folder / "preprocessor_config.json").write_text(json.dumps(processor), "utf-8")
    return folder


def yolox_answer(boxes, size: int = CELLS) -> np.ndarray:
    """YOLOX' raw answer (1, cells, 85) in which each of `boxes` (x0, y0, x1, y1, score) sits in its cell of stride 8."""
    rows = [(size // stride) ** 2 for stride in (8, 16, 32)]
    answer = np.zeros((1, sum(rows), 85), np.float32)
    for x0, y0, x1, y1, score in boxes:
        x, y = (x0 + x1) / 16, (y0 + y1) / 16
        cell = int(y) * (size // 8) + int(x)
        answer[0, cell, :4] = x - int(x), y - int(y), np.log((x1 - x0) / 8), np.log((y1 - y0) / 8)
        answer[0, cell, 4:6] = 1.0, score
    return answer


def write_dwpose(folder: Path, boxes, *, height: int = POSE_HEIGHT, width: int = POSE_WIDTH) -> Path:
    """Two networks with DWPose's names and shapes: one answers `boxes`, the other's 133 points lie on the brightest place."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    folder.mkdir(parents=True, exist_ok=True)

    def write(name, nodes, weights, inputs, outputs):
        graph = helper.make_graph(
            nodes, name, inputs, outputs, [numpy_helper.from_array(v, k) for k, v in weights.items()]
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(model)
        onnx.save(model, folder / name)

    def value(name, *shape):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)

    answer = yolox_answer(boxes)
    write(
        "yolox_l.onnx",
        [
            helper.make_node("ReduceMean", ["images"], ["mean"], keepdims=0),
            helper.make_node("Mul", ["mean", "none"], ["nothing"]),
            helper.make_node("Add", ["answer", "nothing"], ["output"]),
        ],
        {"answer": answer, "none": np.zeros((), np.float32)},
        [value("images", 1, 3, CELLS, CELLS)],
        [value("output", *answer.shape)],
    )

    def head(axis, length, output):
        return [
            helper.make_node("ReduceMax", ["input"], [f"{output}_m"], axes=[1, axis], keepdims=0),
            helper.make_node("Gather", [f"{output}_m", f"{output}_bins"], [f"{output}_g"], axis=1),
            helper.make_node("Sigmoid", [f"{output}_g"], [f"{output}_s"]),
            helper.make_node("Unsqueeze", [f"{output}_s", "one"], [f"{output}_u"]),
            helper.make_node("Expand", [f"{output}_u", f"{output}_shape"], [output]),
        ], {
            f"{output}_bins": np.repeat(np.arange(length), 2).astype(np.int64),
            f"{output}_shape": np.array([1, 133, 2 * length], np.int64),
        }

    across, down = head(2, width, "simcc_x"), head(3, height, "simcc_y")
    write(
        "dw-ll_ucoco_384.onnx",
        across[0] + down[0],
        {"one": np.array([1], np.int64), **across[1], **down[1]},
        [value("input", 1, 3, height, width)],
        [value("simcc_x", 1, 133, 2 * width), value("simcc_y", 1, 133, 2 * height)],
    )
    return folder
