"""Many jobs in a row with random cancels and kills of the child: none lost, none doubled, nothing left, memory flat."""

import pytest

from tests.benchmarks.engine_jobs import measure


def sound(found, jobs):
    """What must hold of every run, long or short."""
    assert sum(found["ends"].values()) == sum(found["states"].values()) == jobs
    assert found["kills"] > 0
    assert found["cancels"] > 0
    for name in ("lost", "doubled", "entries_without_finish", "states_that_disagree", "parts_left"):
        assert found[name] == 0, name
    assert found["processes_left"] == found["segments_left"] == 0
    assert found["files_whole"]


@pytest.mark.slow
def test_a_dozen_jobs_with_cancels_and_kills(tmp_path, qapp):
    sound(measure(tmp_path, jobs=12, chance=0.3, seed=1), 12)


@pytest.mark.slow
@pytest.mark.timeout(1800)
def test_two_hundred_jobs_with_cancels_and_kills(tmp_path, qapp):
    found = measure(tmp_path, jobs=200)
    sound(found, 200)
    first, last = found["memory_mb"]
    assert last < first * 1.1
