"""Progress pictures through a small random TAESD: at most two a second, and none for nobody."""

import numpy as np
import pytest

from outfitswap_desktop.ml.diffusion.preview import Preview, open_preview
from tests.ml.tiny import FolderStore, shaken


@pytest.fixture(scope="module")
def store(tmp_path_factory):
    from diffusers import AutoencoderTiny

    root = tmp_path_factory.mktemp("weights")
    tiny = AutoencoderTiny(
        encoder_block_out_channels=(4, 4, 4, 4), decoder_block_out_channels=(4, 4, 4, 4), latent_channels=4
    )
    shaken(tiny, seed=1, scale=2.0).save_pretrained(root / "taesd")
    return FolderStore(root)


def test_at_most_two_pictures_a_second_of_the_first_image(store):
    import torch

    shown, now = [], [0.0]
    opened = open_preview("sd15", store, shown.append, device="cpu", dtype="float32")
    preview = Preview(opened._decoder, shown.append, clock=lambda: now[0])
    latents = torch.randn(2, 4, 6, 5, generator=torch.Generator().manual_seed(1))
    for _ in range(11):
        preview(latents)
        now[0] += 0.125
    assert len(shown) == 3
    assert {picture.shape for picture in shown} == {(48, 40, 3)}
    assert shown[0].dtype == np.uint8
    assert shown[0].std() > 0
    now[0] += 1.0
    preview(latents[1:])
    assert (shown[-1] != shown[0]).any()


def test_nothing_is_decoded_for_nobody_or_without_the_decoder(store):
    assert open_preview("sd15", store, None, device="cpu", dtype="float32") is None
    assert open_preview("sdxl", store, lambda _: None, device="cpu", dtype="float32") is None
    assert open_preview("klein", store, lambda _: None, device="cpu", dtype="float32") is None
    assert store.opened == ["taesd"]
