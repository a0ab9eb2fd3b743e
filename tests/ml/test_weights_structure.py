"""Files that the libraries really write, read by the import's own look at structure: theirs are taken, forged ones are not."""

import os

import pytest
import torch

from outfitswap_desktop.errors import InputRefused
from outfitswap_desktop.ml.quiet import hush
from outfitswap_desktop.weights.structure import look_at

hush()


class Forged:
    def __reduce__(self):
        return os.system, ("echo never",)


def test_plain_checkpoints_of_both_formats(tmp_path):
    values = {"image_encoder.weight": torch.zeros(4, 3, 2, 2), "half": torch.ones(3).half(), "count": torch.tensor(3)}
    torch.save(values, tmp_path / "new.pth")
    torch.save(values, tmp_path / "old.pth", _use_new_zipfile_serialization=False)
    torch.save(torch.nn.Linear(3, 4).state_dict(), tmp_path / "state.pt")
    for name in ("new.pth", "old.pth", "state.pt"):
        assert "checkpoint" in look_at(tmp_path / name).said
    whole = (tmp_path / "new.pth").read_bytes()
    (tmp_path / "cut.pth").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputRefused):
        look_at(tmp_path / "cut.pth")


@pytest.mark.parametrize("new", [True, False])
def test_a_forged_checkpoint(tmp_path, new):
    torch.save(
        {"weight": torch.zeros(3), "also": Forged()}, tmp_path / "forged.pth", _use_new_zipfile_serialization=new
    )
    with pytest.raises(InputRefused, match=r"it would call (posix|nt)\.system"):
        look_at(tmp_path / "forged.pth", detector=True)


@pytest.mark.parametrize("drawing", ["yolov8n.yaml", "yolov8n-seg.yaml"])
def test_checkpoints_as_ultralytics_writes_them(tmp_path, drawing):
    from ultralytics.nn.tasks import DetectionModel, SegmentationModel
    from ultralytics.utils import DEFAULT_CFG, IterableSimpleNamespace

    made = SegmentationModel if "seg" in drawing else DetectionModel
    network = made(drawing, nc=4, verbose=False).half()
    network.args = IterableSimpleNamespace(**vars(DEFAULT_CFG))
    torch.save(
        {"epoch": -1, "model": network, "ema": None, "train_args": dict(vars(DEFAULT_CFG))}, tmp_path / "best.pt"
    )
    assert "known names" in look_at(tmp_path / "best.pt", detector=True).said


def test_an_exported_network(tmp_path):
    pytest.importorskip("onnx", reason="the exporter of torch needs it")
    network = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.ReLU())
    torch.onnx.export(network, (torch.zeros(1, 3, 8, 8),), str(tmp_path / "net.onnx"), dynamo=False)
    assert look_at(tmp_path / "net.onnx").said == "a network of 2 nodes"
