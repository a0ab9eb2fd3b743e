"""Small random networks of the mask steps in files as they are published: YOLOv8 (.pt, .onnx), SAM, MobileSAM, SCRFD, YuNet."""

import hashlib
from functools import partial
from pathlib import Path

import numpy as np

from outfitswap_desktop.ml.device import cpu
from outfitswap_desktop.weights.catalogue import read_catalogue
from outfitswap_desktop.weights.record import Kept, Record, write_record
from outfitswap_desktop.weights.store import WeightsStore

DEEPFASHION2 = (
    "short sleeve top", "long sleeve top", "short sleeve outwear", "long sleeve outwear", "vest", "sling", "shorts",
    "trousers", "skirt", "short sleeve dress", "long sleeve dress", "vest dress", "sling dress",
)  # fmt: skip
DEVICE = cpu()
GAIN = 2.6


def make_store(folder):
    return WeightsStore(folder, read_catalogue())


def install(store, weights_id, **files):
    """Put files (name with "__" for ".": a path to move, or a function that writes to a path) into a store, recorded."""
    place = store.place(weights_id)
    place.mkdir(parents=True, exist_ok=True)
    kept = {}
    for name, source in files.items():
        path = place / name.replace("__", ".")
        if callable(source):
            source(path)
        else:
            path.write_bytes(Path(source).read_bytes())
        kept[path.name] = Kept(
            path.stat().st_size, hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns
        )
    write_record(place, Record(weights_id, store.catalogue.get(weights_id).source, "", "structure", "2026-01-01", kept))
    return place


def randomised(network, seed, scale=1.0):
    """The network with every floating parameter drawn anew, so that nothing hides behind zeros."""
    import torch

    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        places = [buffer for name, buffer in network.named_buffers() if "gaussian" in name]
        for parameter in (*network.parameters(), *places):
            fan = max(1, parameter[0].numel()) if parameter.ndim > 1 else 16
            parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale / fan**0.5)
    return network.eval()


# --- YOLO --------------------------------------------------------------------------------------------------------------


def yolo(names=DEEPFASHION2, *, task="detect", seed=1):
    """YOLOv8's architecture at a sixteenth of its width with random weights."""
    import torch

    from outfitswap_desktop.ml.yolo import ultralytics

    ultralytics()
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel, yaml_model_load

    layout = yaml_model_load("yolov8n.yaml" if task == "detect" else "yolov8n-seg.yaml")
    layout["scales"] = {"n": [0.33, 0.0625, 256]}
    layout["nc"] = len(names)
    torch.manual_seed(seed)
    network = (DetectionModel if task == "detect" else SegmentationModel)(layout, nc=len(names), verbose=False)
    network.names, network.task = dict(enumerate(names)), task
    generator = torch.Generator().manual_seed(seed)
    head = network.model[-1]
    with torch.no_grad():
        for part in network.modules():  # the photo must still be told apart at the end of sixty layers
            if isinstance(part, torch.nn.Conv2d) and part.weight.requires_grad:
                part.weight.mul_(GAIN)
        for branch in head.cv3:  # classes: around the threshold of 0.001, so that many boxes come out
            branch[-1].bias.copy_(torch.randn(branch[-1].bias.shape, generator=generator) - 6.0)
        for branch in head.cv2:
            branch[-1].bias.copy_(torch.randn(branch[-1].bias.shape, generator=generator))
    return network.eval()


def write_yolo(path, network=None, **values):
    import torch

    torch.save({"model": network if network is not None else yolo(**values), "train_args": {"imgsz": 640}}, path)


def export_yolo(pt_file):
    """The ONNX file that the library itself exports beside a .pt file."""
    from outfitswap_desktop.ml.yolo import load_yolo

    return Path(load_yolo(pt_file).export(format="onnx", imgsz=320, simplify=False, verbose=False))


# --- SAM ---------------------------------------------------------------------------------------------------------------


def sam(seed=2):
    """segment-anything's own classes: the parts of ViT-B with 2 blocks, 32 channels and 128 pixels."""
    import torch
    from segment_anything.modeling import ImageEncoderViT, MaskDecoder, PromptEncoder, Sam, TwoWayTransformer

    network = Sam(
        image_encoder=ImageEncoderViT(
            depth=2, embed_dim=32, img_size=128, mlp_ratio=2, norm_layer=partial(torch.nn.LayerNorm, eps=1e-6), num_heads=2,
            patch_size=16, qkv_bias=True, use_rel_pos=True, global_attn_indexes=(1,), window_size=3, out_chans=32,
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=32, image_embedding_size=(8, 8), input_image_size=(128, 128), mask_in_chans=4
        ),
        mask_decoder=_decoder(MaskDecoder, TwoWayTransformer, 32),
        pixel_mean=[123.675, 116.28, 103.53], pixel_std=[58.395, 57.12, 57.375],
    )  # fmt: skip
    return network if network.pixel_mean.is_meta else randomised(network, seed, 2.0)


def mobile(seed=3):
    """Ultralytics' own classes: the parts of MobileSAM with few channels and 256 pixels."""
    from outfitswap_desktop.ml.yolo import ultralytics

    ultralytics()
    from ultralytics.models.sam.modules.decoders import MaskDecoder
    from ultralytics.models.sam.modules.encoders import PromptEncoder
    from ultralytics.models.sam.modules.sam import SAMModel
    from ultralytics.models.sam.modules.tiny_encoder import TinyViT
    from ultralytics.models.sam.modules.transformer import TwoWayTransformer

    network = SAMModel(
        image_encoder=TinyViT(
            img_size=256,
            embed_dims=(8, 16, 16, 320),
            depths=(1, 1, 1, 1),
            num_heads=(1, 2, 2, 4),
            window_sizes=(7, 7, 14, 7),
        ),
        prompt_encoder=PromptEncoder(
            embed_dim=256, image_embedding_size=(16, 16), input_image_size=(256, 256), mask_in_chans=4
        ),
        mask_decoder=_decoder(MaskDecoder, TwoWayTransformer, 256),
    )
    return randomised(network, seed, 2.0)


def _decoder(decoder, transformer, width):
    return decoder(
        num_multimask_outputs=3,
        transformer=transformer(depth=1, embedding_dim=width, mlp_dim=32, num_heads=2),
        transformer_dim=width,
        iou_head_depth=2,
        iou_head_hidden_dim=16,
    )


def write_state(path, network):
    import torch

    torch.save(network.state_dict(), path)


# --- faces -------------------------------------------------------------------------------------------------------------


def write_scrfd(path, seed=4):
    """SCRFD's nine outputs (scores, boxes, points at strides 8, 16, 32; two anchors each) from one random layer per output."""
    _write_heads(
        path, seed, strides=(8, 16, 32), heads=((2, 1, "Sigmoid"), (8, 4, "Softplus"), (20, 10, None)), lead=False
    )


def write_yunet(path, seed=5):
    """YuNet's twelve outputs (cls, obj, bbox, kps at strides 8, 16, 32) from one random layer per output."""
    heads = ((1, 1, "Sigmoid"), (1, 1, "Sigmoid"), (4, 4, None), (10, 10, None))
    _write_heads(path, seed, strides=(8, 16, 32), heads=heads, lead=True)


def _write_heads(path, seed, *, strides, heads, lead):
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    random = np.random.default_rng(seed)
    nodes, weights, outputs = [], [], []
    names = ("cls", "obj", "bbox", "kps") if lead else ("score", "bbox", "kps")
    for (channels, width, end), name in zip(heads, names, strict=True):
        for stride in strides:
            tag = f"{name}_{stride}"
            kernel = random.normal(0, 3.0 / stride, (channels, 3, stride, stride)).astype(np.float32)
            bias = np.full(channels, 1.0, np.float32)
            if lead:
                kernel /= 128.0
            weights += [numpy_helper.from_array(kernel, f"w_{tag}"), numpy_helper.from_array(bias, f"b_{tag}")]
            weights.append(
                numpy_helper.from_array(np.array([1, -1, width] if lead else [-1, width], np.int64), f"s_{tag}")
            )
            nodes.append(
                helper.make_node(
                    "Conv", ["input", f"w_{tag}", f"b_{tag}"], [f"c_{tag}"],
                    kernel_shape=[stride, stride], strides=[stride, stride],
                )
            )  # fmt: skip
            last = f"c_{tag}"
            if end is not None:
                nodes.append(helper.make_node(end, [last], [f"e_{tag}"]))
                last = f"e_{tag}"
            nodes.append(helper.make_node("Transpose", [last], [f"t_{tag}"], perm=[0, 2, 3, 1]))
            nodes.append(helper.make_node("Reshape", [f"t_{tag}", f"s_{tag}"], [tag]))
            shape = [1, None, width] if lead else [None, width]
            outputs.append(helper.make_tensor_value_info(tag, TensorProto.FLOAT, shape))
    size = [1, 3, 640, 640] if lead else [1, 3, "?", "?"]
    entry = helper.make_tensor_value_info("input", TensorProto.FLOAT, size)
    graph = helper.make_graph(nodes, "faces", [entry], outputs, weights)
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), str(path))
