"""A hub of our own, a small catalogue that names it, and a store in a folder of the test's."""

import random

import pytest

from outfitswap_desktop.weights.catalogue import read_catalogue
from outfitswap_desktop.weights.network import Network
from outfitswap_desktop.weights.store import WeightsStore
from tests.weights.hub import Hub, sha256

UNET = random.Random(1).randbytes(3_000_000)
VAE = random.Random(2).randbytes(400_000)
SAM = random.Random(3).randbytes(900_000)
FILES = {
    "model_index.json": b'{"_class_name": "Tiny"}\n',
    "unet/config.json": b'{"in_channels": 9}\n',
    "unet/diffusion.fp16.safetensors": UNET,
    "vae/diffusion.safetensors": VAE,
    "README.md": b"not wanted",
    "unet/diffusion.safetensors": b"the big one, not wanted either",
}
CATALOGUE = """
[licences.open]
name = "Apache-2.0"
url = "https://example.org/apache"
commercial = true
restrictions = false
ask = false

[licences.research]
name = "Research only"
url = "https://example.org/research"
commercial = false
restrictions = true
ask = true

[[weights]]
id = "tiny"
title = "Tiny painter"
purpose = "Paints"
role = "generator"
source = "hub:owner/tiny"
licence = "open"
engines = ["tiny"]
about_bytes = 3400000
files = [
  "model_index.json", "unet/config.json", "unet/diffusion.fp16.safetensors|unet/diffusion.safetensors",
  "vae/*.safetensors",
]

[[weights]]
id = "strict"
title = "Strict guard"
role = "guard"
source = "hub:owner/strict"
licence = "research"
engines = ["tiny"]
optional = true
files = ["guard.onnx"]

[[weights]]
id = "plain"
title = "Plain refiner"
role = "refiner"
source = "@URL@/files/plain.pth"
also = ["@ALSO@/files/plain.pth"]
licence = "open"
engines = ["tiny"]
optional = true
pickle = true
importable = true
files = ["plain.pth"]

[[weights]]
id = "unknown"
title = "Nobody's hash"
role = "refiner"
source = "@URL@/files/unknown.pth"
licence = "open"
pickle = true
importable = true
files = ["unknown.pth"]

[[weights]]
id = "painter"
title = "Nobody's painter"
role = "generator"
source = "@URL@/files/unknown.pth"
licence = "open"
files = ["unknown.pth"]

[[weights]]
id = "zipped"
title = "One of an archive"
role = "guard"
source = "@URL@/files/pack.zip"
licence = "open"
unpack = true
files = ["det.onnx"]

[classes]
top = ["shirt"]
ignore = ["bag"]

# ==== pins: written by `outfitswap models pin`, nothing below is edited by hand ====

[pins.plain]
files."plain.pth" = { size = @SIZE@, sha256 = "@SHA@" }
"""


class Never:
    """A cancel that never comes."""

    def is_set(self):
        return False

    def check(self):
        pass


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def mirror():
    made = Hub()
    yield made
    made.close()


@pytest.fixture
def hub(monkeypatch, mirror):
    made = Hub()
    for each in (made, mirror):
        each.repositories = {"owner/tiny": dict(FILES), "owner/strict": {"guard.onnx": b"\x08\x07guard"}}
        each.plain = {"/files/plain.pth": SAM, "/files/unknown.pth": SAM}
    monkeypatch.setenv("HF_ENDPOINT", made.url)
    yield made
    made.close()


@pytest.fixture
def catalogue_file(tmp_path, hub, mirror):
    path = tmp_path / "catalogue.toml"
    text = CATALOGUE.replace("@URL@", hub.url).replace("@ALSO@", mirror.url)
    path.write_text(text.replace("@SIZE@", str(len(SAM))).replace("@SHA@", sha256(SAM)), encoding="utf-8")
    return path


@pytest.fixture
def catalogue(catalogue_file):
    return read_catalogue(catalogue_file)


@pytest.fixture
def store(tmp_path, catalogue):
    return WeightsStore(tmp_path / "weights", catalogue)


@pytest.fixture
def fetcher(store):
    from outfitswap_desktop.weights.fetch import Fetcher

    return Fetcher(store, Network(), timeout=2.0, pauses=(0.01, 0.02))


@pytest.fixture
def get(fetcher):
    """Fetch an id; notes the reports in `.reports`."""

    def run(weights_id, *, cancel=None, trust=False, using=None):
        run.reports = []
        one = using or fetcher
        return one.fetch(weights_id, report=run.reports.append, cancel=cancel or Never(), trust=trust)

    return run
