"""The run bar says what can be done and how long it still takes."""

import pytest

from outfitswap_desktop.core.job import Progress
from outfitswap_desktop.ui.run_panel import Remaining, RunPanel


def test_what_is_left_follows_the_jobs_own_speed():
    remaining = Remaining()
    remaining.begin(now=0.0)
    assert remaining.seconds(0.0, now=1.0) is None
    assert remaining.seconds(0.5, now=4.0) == pytest.approx(4.0)


def test_the_last_jobs_speak_before_this_one_can():
    remaining = Remaining()
    remaining.begin(now=0.0)
    remaining.end(now=10.0)
    remaining.begin(now=20.0)
    assert remaining.seconds(0.0, now=22.0) == pytest.approx(8.0)
    assert remaining.seconds(0.5, now=24.0) == pytest.approx(0.5 * 4.0 + 0.5 * 6.0)


def test_the_reason_shows_and_the_button_waits(qtbot):
    panel = RunPanel()
    qtbot.addWidget(panel)
    assert not panel.run.isEnabled()
    panel.block("")
    assert panel.run.isEnabled()


def test_while_a_job_runs_more_can_be_asked_for(qtbot):
    panel = RunPanel()
    qtbot.addWidget(panel)
    panel.block("")
    panel.job_started()
    panel.job_progressed(Progress("generate", 0.5))
    assert "Making the new outfit" in panel._says.text()
    assert not panel.cancel.isHidden()
    assert panel.run.isEnabled()
    with qtbot.waitSignal(panel.cancel_asked):
        panel.cancel.click()
    panel.job_over()
    assert panel.cancel.isHidden()
    assert panel.run.text() == "Swap outfit"
