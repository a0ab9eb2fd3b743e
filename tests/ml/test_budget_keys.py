"""Full-size architectures on the meta device against the bundled key lists, and folders of weights judged by their headers."""

import json
import math

import pytest

from outfitswap_desktop.ml.budget.architectures import architectures, build, ip_adapter_shapes, shapes_of
from outfitswap_desktop.ml.budget.keys import key_lists, load_plan, read_shapes

KNOWN = architectures()
LISTS = key_lists()
MODULES = [name for name, component in KNOWN.components.items() if component.builder != "ip-adapter"]
PUBLISHED_KEYS = {
    "sd15.unet": 686,
    "sdxl.unet": 1680,
    "kl.vae": 248,
    "clip-l.text": 196,
    "bigg.text": 517,
    "sam-vit-b": 314,
}
"""How many tensors the published files hold (without CLIP's position_ids)."""


def header(shapes, *, dtype="F16", width=2):
    rows, end = {"__metadata__": {"format": "pt"}}, 0
    for key, shape in shapes.items():
        size = width * math.prod(shape)
        rows[key] = {"dtype": dtype, "shape": list(shape), "data_offsets": [end, end + size]}
        end += size
    text = json.dumps(rows).encode()
    return len(text).to_bytes(8, "little") + text, end


def put(file, shapes, *, dtype="F16", width=2, cut=0):
    """A safetensors file of the right length whose tensors are a hole in the disk."""
    head, size = header(shapes, dtype=dtype, width=width)
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as stream:
        stream.write(head)
        stream.truncate(len(head) + size - cut)


def put_weights(folder, weights, *, name="model.fp16.safetensors"):
    for place, component in KNOWN.weights[weights].items():
        shapes = published(component)
        put(folder / place / name if not place.endswith(".safetensors") else folder / place, shapes)


def published(component):
    """The list under the names that the file on the hub has."""
    shapes = dict(LISTS[component])
    if component == "clip-l.text":
        return {"text_model." + key: shape for key, shape in shapes.items()} | {
            "text_model.embeddings.position_ids": (1, 77)
        }
    return {key: shape for key, shape in shapes.items() if key != "lm_head.weight" or component != "qwen3-4b.text"}


@pytest.mark.parametrize("name", MODULES)
def test_the_list_is_the_librarys_own_module(name):
    component = KNOWN.components[name]
    module = build(component)
    found = shapes_of(module)
    assert {key: tuple(shape) for key, shape in LISTS[name].items()} == found
    assert all(tensor.is_meta for tensor in module.parameters())
    millions = sum(parameter.numel() for parameter in module.parameters()) / 1e6
    assert millions == pytest.approx(component.millions, abs=0.06)
    assert len(found) == PUBLISHED_KEYS.get(name, len(found))


@pytest.mark.parametrize("name", ["sd15.ip-adapter", "sdxl.ip-adapter"])
def test_an_ip_adapter_is_what_diffusers_reads_into_its_unet(name):
    import torch

    component = KNOWN.components[name]
    unet = build(KNOWN.components[component.config["unet"]])
    assert ip_adapter_shapes(component.config, unet) == LISTS[name]
    assert sum(math.prod(shape) for shape in LISTS[name].values()) / 1e6 == pytest.approx(component.millions, abs=0.06)
    before = sum(parameter.numel() for parameter in unet.parameters())
    groups = {"image_proj": {}, "ip_adapter": {}}
    with torch.device("meta"):
        for key, shape in LISTS[name].items():
            group, _, rest = key.partition(".")
            groups[group][rest] = torch.empty(shape)
        unet._load_ip_adapter_weights([groups], low_cpu_mem_usage=False)  # raises for a key that is missing or too much
    added = sum(parameter.numel() for parameter in unet.parameters()) - before
    assert added == sum(math.prod(shape) for shape in LISTS[name].values())


def test_transformers_takes_the_first_text_encoder_under_its_published_names(tmp_path):
    """Small, but real: a file with the prefix of the published one is loaded by the library, nothing missing."""
    import torch
    from safetensors.torch import save_file
    from transformers import CLIPTextConfig, CLIPTextModel

    model = CLIPTextModel(
        CLIPTextConfig(hidden_size=8, intermediate_size=8, num_hidden_layers=1, num_attention_heads=1, vocab_size=9)
    )
    model.save_pretrained(tmp_path)
    state = {"text_model." + key: value.clone() for key, value in model.state_dict().items()}
    save_file(state, tmp_path / "model.safetensors", metadata={"format": "pt"})
    again, told = CLIPTextModel.from_pretrained(tmp_path, output_loading_info=True)
    assert not told["missing_keys"]
    assert not told["unexpected_keys"]
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), again.parameters(), strict=True))


# --- folders ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weights", [name for name in KNOWN.weights if name != "sam-vit-b"])
def test_a_whole_folder_has_a_complete_plan(tmp_path, weights):
    put_weights(tmp_path, weights)
    plan = load_plan(weights, tmp_path)
    assert (plan.missing, plan.unexpected, plan.wrong_shape, plan.damaged) == ((), (), (), ())
    assert plan.complete
    assert plan.sentence == ""
    expected = sum(2 * math.prod(s) for name in KNOWN.weights[weights].values() for s in published(name).values())
    assert plan.bytes == pytest.approx(expected, rel=1e-4)


def test_every_id_of_the_catalogue_that_paints_has_a_list():
    from outfitswap_desktop.weights.catalogue import read_catalogue

    catalogue = read_catalogue().weights
    assert set(KNOWN.weights) <= set(catalogue)
    painters = {name for name, row in catalogue.items() if row.role in ("generator", "part", "control")}
    assert painters - {"lcm-sd15", "lcm-sdxl", "qwen-lightning"} <= set(KNOWN.weights)


def test_what_is_wrong_is_named(tmp_path):
    shapes = dict(LISTS["kl.vae"])
    del shapes["decoder.conv_in.bias"]
    shapes["encoder.conv_out.weight"] = (9, 512, 3, 3)
    shapes["extra.weight"] = (1,)
    put(tmp_path / "diffusion_pytorch_model.safetensors", shapes)
    plan = load_plan("sdxl-vae", tmp_path)
    assert plan.missing == ("decoder.conv_in.bias",)
    assert plan.wrong_shape == ("encoder.conv_out.weight",)
    assert plan.unexpected == ("extra.weight",)
    assert not plan.complete
    assert "1 missing (first decoder.conv_in.bias)" in plan.sentence


def test_another_network_is_told_from_the_right_one(tmp_path):
    """The text-to-image UNet has 4 channels where the inpainting one has 9: one tensor differs."""
    shapes = dict(LISTS["sd15.unet"]) | {"conv_in.weight": (320, 4, 3, 3)}
    put(tmp_path / "unet" / "diffusion_pytorch_model.safetensors", shapes)
    plan = load_plan("sd15", tmp_path, parts=frozenset({"unet/"}))
    assert plan.wrong_shape == ("unet/conv_in.weight",)
    assert not plan.missing


def test_old_names_and_shapes_of_the_autoencoder_are_taken(tmp_path):
    names = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    shapes = {}
    for key, shape in LISTS["kl.vae"].items():
        found = [(new, old) for new, old in names.items() if f"attentions.0.{new}." in key]
        if found:
            shapes[key.replace(*found[0])] = (*shape, 1, 1) if len(shape) == 2 else shape
        else:
            shapes[key] = shape
    put(tmp_path / "a.safetensors", shapes)
    assert "encoder.mid_block.attentions.0.query.weight" in shapes
    assert load_plan("sdxl-vae", tmp_path).complete


def test_shards_are_one_network_and_variants_are_two(tmp_path):
    keys = list(LISTS["kl.vae"])
    halves = [{key: LISTS["kl.vae"][key] for key in part} for part in (keys[:100], keys[100:])]
    for number, half in enumerate(halves, 1):
        put(tmp_path / f"model-0000{number}-of-00002.safetensors", half)
    assert load_plan("sdxl-vae", tmp_path).complete
    put(tmp_path / "model.fp32.safetensors", LISTS["kl.vae"], dtype="F32", width=4)
    both = load_plan("sdxl-vae", tmp_path)
    assert both.complete
    assert both.bytes == 2 * sum(math.prod(shape) for shape in LISTS["kl.vae"].values())
    (tmp_path / "model-00002-of-00002.safetensors").unlink()
    assert len(load_plan("sdxl-vae", tmp_path).missing) == len(keys) - 100


@pytest.mark.parametrize("cut", [1, 5_000_000])
def test_a_cut_file_is_damaged(tmp_path, cut):
    put(tmp_path / "a.safetensors", LISTS["kl.vae"], cut=cut)
    plan = load_plan("sdxl-vae", tmp_path)
    assert not plan.complete
    assert "speaks of" in plan.damaged[0]
    assert "a.safetensors" in plan.sentence


@pytest.mark.parametrize(
    "content",
    [b"", b"\x00", b"\xff" * 16, (10).to_bytes(8, "little") + b"{", (2).to_bytes(8, "little") + b"[]",
     (4).to_bytes(8, "little") + b"{{{{", (13).to_bytes(8, "little") + b'{"a":"hello"}'],
)  # fmt: skip
def test_what_is_no_safetensors_is_damaged(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    assert load_plan("sdxl-vae", tmp_path).damaged


def test_a_header_that_contradicts_itself_is_damaged(tmp_path):
    for row in (
        {"dtype": "F16", "shape": [2], "data_offsets": [0, 2]},
        {"dtype": "F1", "shape": [1], "data_offsets": [0, 2]},
    ):
        text = json.dumps({"a": row}).encode()
        (tmp_path / "a.safetensors").write_bytes(len(text).to_bytes(8, "little") + text + b"\x00\x00")
        assert load_plan("sdxl-vae", tmp_path).damaged == ("a.safetensors: its header is wrong at a",)


def test_an_empty_folder_misses_everything(tmp_path):
    plan = load_plan("sd15", tmp_path)
    assert len(plan.missing) == 686 + 248 + 196
    assert plan.bytes == 0


def test_sams_pickle_is_read_by_shapes_alone_and_never_run(tmp_path):
    import torch

    file = tmp_path / "sam_vit_b_01ec64.pth"
    with torch.device("meta"):
        state = {key: torch.empty(shape) for key, shape in LISTS["sam-vit-b"].items()}
    small = {key: torch.zeros(()).expand(value.shape) for key, value in state.items()}
    torch.save(small, file)
    plan = load_plan("sam-vit-b", tmp_path)
    assert plan.complete
    assert len(read_shapes(file)) == 314

    class Evil:
        def __reduce__(self):
            return (pytest.fail, ("it ran",))

    torch.save({"a": Evil()}, file)
    assert load_plan("sam-vit-b", tmp_path).damaged == ("sam_vit_b_01ec64.pth: it is no archive of tensors",)
    file.write_bytes(b"nonsense")
    assert load_plan("sam-vit-b", tmp_path).damaged
