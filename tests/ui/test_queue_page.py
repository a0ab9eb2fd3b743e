"""The queue's page by itself: what its rows say."""

import pytest

from outfitswap_desktop.ui.queue_page import QueueModel, QueueRow


@pytest.mark.parametrize(
    ("state", "note", "said"),
    [
        ("interrupted", "", "The program ended meanwhile; “Do again” starts it afresh."),
        ("interrupted", "No engine process can be started.", "No engine process can be started."),
        ("queued", "", ""),
        ("failed", "There was not enough memory.", "There was not enough memory."),
    ],
)
def test_a_job_that_was_cut_off_says_how_it_goes_on(qapp, state, note, said):
    model = QueueModel()
    model.show([QueueRow("1", "one.png", "navy linen", state, note=note)])
    assert model.index(0, 3).data() == said
