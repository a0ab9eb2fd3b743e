"""Downloads that go wrong in every way we know: no corrupt file is ever used, and one clear sentence says what happened."""

import errno
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.errors import Cancelled, KnownError, NotAvailable
from outfitswap_desktop.weights.fetch import Fetcher
from outfitswap_desktop.weights.lock import locked
from outfitswap_desktop.weights.network import Network
from tests.weights.conftest import FILES, SAM, UNET, VAE
from tests.weights.hub import COMMIT, sha256

WANTED = {"model_index.json", "unet/config.json", "unet/diffusion.fp16.safetensors", "vae/diffusion.safetensors"}


def refused(call, reason):
    """One clear sentence with a way out, and the machine word for it."""
    with pytest.raises(NotAvailable) as told:
        call()
    problem = told.value
    assert problem.reason == reason, problem.message
    assert problem.message.endswith(".")
    assert problem.message.count(". ") == 0, "one sentence"
    assert "\n" not in problem.message
    assert problem.hint
    assert "Error" not in problem.message
    return problem


def nothing_usable(store, weights_id="tiny"):
    assert store.state(weights_id) in ("missing", "partial")
    refused(lambda: store.open(weights_id), "weights_missing")
    assert weights_id not in store.installed()


def test_a_download_from_the_hub_with_its_real_client(hub, store, get, fetcher):
    plan = fetcher.plan("tiny")
    assert (plan.revision, plan.basis, plan.fits) == (COMMIT, "hub", True)
    assert plan.total == plan.left == sum(len(FILES[path]) for path in WANTED)
    assert store.state("tiny") == "missing"
    found = get("tiny")
    assert found.revision == COMMIT
    assert dict(found.hashes) == {path: sha256(FILES[path]) for path in WANTED}
    for path in WANTED:
        assert (found.folder / path).read_bytes() == FILES[path]
    assert sorted(p.relative_to(found.folder).as_posix() for p in found.folder.rglob("*") if p.is_file()) == sorted(
        [*WANTED, "weights.json"]
    )
    assert store.open("tiny") == found
    assert store.installed() == ("tiny",)
    assert not store.part("tiny").exists()
    assert get.reports[-1].done == get.reports[-1].total == plan.total
    assert {report.stage for report in get.reports} >= {"asking", "fetching", "finishing"}
    assert not [seen for seen in hub.seen if "agent" in seen.path], "the client asks for what it was asked for"


def test_a_second_get_asks_nobody(hub, get):
    first = get("tiny")
    hub.seen.clear()
    assert get("tiny") == first
    assert hub.seen == []


def test_what_was_recorded_at_the_first_download_counts_ever_after(hub, store, get):
    get("tiny")
    shutil.rmtree(store.place("tiny"))
    hub.commit = "f" * 40
    hub.repositories["owner/tiny"]["unet/diffusion.fp16.safetensors"] = UNET[::-1]
    refused(lambda: get("tiny"), "no_network")  # that commit is gone, and no other is taken instead
    hub.commit = COMMIT
    refused(lambda: get("tiny"), "wrong_hash")
    nothing_usable(store)


def test_a_download_that_was_cut_goes_on_where_it_stopped(hub, get):
    hub.faults.cut_after, hub.faults.cuts = 1_000_000, 2
    get("tiny")
    assert hub.sent <= sum(len(FILES[path]) for path in WANTED) + 3 * hub.faults.piece
    starts = [seen.start for seen in hub.downloads() if "unet/diffusion" in seen.path]
    assert len(starts) == 3
    assert 0 == starts[0] < starts[1] < starts[2]


SCRIPT = """
import sys
from pathlib import Path
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.weights.catalogue import read_catalogue
from outfitswap_desktop.weights.fetch import Fetcher
from outfitswap_desktop.weights.network import Network
from outfitswap_desktop.weights.store import WeightsStore

store = WeightsStore(Path(sys.argv[1]), read_catalogue(Path(sys.argv[2])))
Fetcher(store, Network()).fetch("tiny", report=lambda now: print(now.done, flush=True), cancel=CancelToken())
"""


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("after", [1, 700_000, 2_500_000])
def test_killed_in_the_middle_and_resumed(hub, store, get, tmp_path, catalogue_file, after):
    hub.faults.slow = 0.01
    command = [sys.executable, "-c", SCRIPT, str(store.folder), str(catalogue_file)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as child:
        for line in child.stdout:
            if int(line) >= after:
                child.kill()
                break
    assert child.returncode == -signal.SIGKILL
    assert store.state("tiny") == "partial"
    nothing_usable(store)
    had = sum(p.stat().st_size for p in store.part("tiny").rglob("*.safetensors*"))
    assert had >= after - 500_000
    hub.faults.slow = 0.0
    time.sleep(0.1)
    hub.seen.clear()
    found = get("tiny")
    assert hub.sent <= sum(len(FILES[path]) for path in WANTED) - had + 2 * hub.faults.piece, (
        "fewer bytes the second time"
    )
    assert dict(found.hashes) == {path: sha256(FILES[path]) for path in WANTED}
    assert not [seen for seen in hub.seen if "/api/" in seen.path], "it goes on with the commit that it began with"


def test_a_wrong_hash_is_thrown_away(hub, store, get):
    hub.faults.corrupt = True
    problem = refused(lambda: get("tiny"), "wrong_hash")
    assert "wrong hash" in problem.message
    nothing_usable(store)
    assert not [p for p in store.part("tiny").rglob("*") if p.suffix in (".safetensors", ".partial")]


def test_a_partial_file_from_elsewhere_is_not_believed(hub, store, get):
    """Bytes that lie there already are hashed too: a wrong beginning costs another download, nothing else."""
    part = store.part("tiny") / "unet"
    part.mkdir(parents=True)
    (part / "diffusion.fp16.safetensors.partial").write_bytes(b"x" * 1_000_000)
    (store.part("tiny") / "vae").mkdir()
    (store.part("tiny") / "vae" / "diffusion.safetensors").write_bytes(b"y" * len(VAE))
    found = get("tiny")
    assert (found.folder / "unet/diffusion.fp16.safetensors").read_bytes() == UNET
    assert (found.folder / "vae/diffusion.safetensors").read_bytes() == VAE


@pytest.mark.parametrize("size", [len(UNET), len(UNET) + 10])
def test_a_partial_file_that_is_too_long_starts_anew(store, get, size):
    part = store.part("tiny") / "unet"
    part.mkdir(parents=True)
    (part / "diffusion.fp16.safetensors.partial").write_bytes(b"x" * size)
    assert (get("tiny").folder / "unet/diffusion.fp16.safetensors").read_bytes() == UNET


def test_a_server_that_cannot_resume(hub, get):
    hub.faults.cut_after, hub.faults.cuts, hub.faults.no_range = 500_000, 1, True
    assert (get("tiny").folder / "unet/diffusion.fp16.safetensors").read_bytes() == UNET
    assert get.reports[-1].done == get.reports[-1].total


def test_a_server_that_resumes_elsewhere_is_not_believed(hub, store, get):
    hub.faults.cut_after, hub.faults.cuts, hub.faults.lie_range = 500_000, 1, True
    refused(lambda: get("tiny"), "no_network")
    nothing_usable(store)


def test_truncated_again_and_again(hub, store, get):
    hub.faults.cut_after, hub.faults.cuts = 0, 1000
    problem = refused(lambda: get("tiny"), "no_network")
    assert "127.0.0.1" in problem.message
    nothing_usable(store)


def test_no_network(hub, store, get):
    hub.close()
    problem = refused(lambda: get("tiny"), "no_network")
    assert "could not be reached" in problem.message
    nothing_usable(store)


def test_the_network_goes_away_in_the_middle(hub, store, get):
    get_one = threading.Timer(0.15, hub.server.server_close)
    hub.faults.slow, hub.faults.cut_after, hub.faults.cuts = 0.02, 1_000_000, 1000
    get_one.start()
    refused(lambda: get("tiny"), "no_network")
    get_one.join()
    assert store.state("tiny") == "partial"
    nothing_usable(store)


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_server_in_trouble_is_asked_again(hub, get, status):
    hub.faults.status, hub.faults.statuses = status, 2
    assert get("tiny").revision == COMMIT


@pytest.mark.parametrize("status", [500, 403, 404, 410])
def test_a_server_that_stays_in_trouble(hub, store, get, status):
    hub.faults.status, hub.faults.statuses = status, 10_000
    assert str(status) in refused(lambda: get("tiny"), "no_network").message
    nothing_usable(store)
    if status in (403, 404, 410):
        assert len(hub.downloads()) == 1, "no is no"


def test_a_redirect_is_followed_and_no_secret_goes_along(hub, get, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    hub.faults.redirect = True
    get("tiny")
    assert any(seen.path.startswith("/cdn/") for seen in hub.seen)
    assert not [seen for seen in hub.seen if "secret" in str(seen.headers)]


def test_a_server_that_falls_silent_does_not_hold_up_a_cancel(hub, store, fetcher, get):
    slow = Fetcher(fetcher._store, Network(), timeout=60.0)
    hub.faults.stall_after = 200_000
    cancel = CancelToken()
    threading.Timer(0.5, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        get("tiny", cancel=cancel, using=slow)
    assert time.monotonic() - started < 5.0
    assert store.state("tiny") == "partial"
    nothing_usable(store)


def test_a_slow_server_and_a_cancel(hub, store, get):
    hub.faults.slow = 0.05
    cancel = CancelToken()
    threading.Timer(0.4, cancel.set).start()
    started = time.monotonic()
    with pytest.raises(Cancelled):
        get("tiny", cancel=cancel)
    assert time.monotonic() - started < 5.0
    nothing_usable(store)
    hub.faults.slow = 0.0
    assert get("tiny").revision == COMMIT


def test_a_silent_server_is_given_up(hub, store, fetcher, get):
    hasty = Fetcher(fetcher._store, Network(), timeout=0.3, pauses=(0.01,))
    hub.faults.stall_after = 0
    assert "in time" in refused(lambda: get("tiny", using=hasty), "no_network").message
    nothing_usable(store)


# the disk


def test_too_little_space_is_said_before_anything_is_fetched(hub, store, get, fetcher, monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda _path: shutil._ntuple_diskusage(10**9, 10**9 - 10**6, 10**6))
    assert not fetcher.plan("tiny").fits
    problem = refused(lambda: get("tiny"), "disk_short")
    assert "GB" in problem.message
    assert hub.downloads() == []
    nothing_usable(store)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EDQUOT])
def test_a_disk_that_fills_up_in_the_middle(hub, store, get, monkeypatch, code):
    from outfitswap_desktop.weights import transfer

    class Quota:
        """A file on a disk with 1 MB left."""

        def __init__(self, path):
            self._file = path.open("r+b" if path.exists() else "w+b")

        def write(self, piece):
            if self._file.tell() + len(piece) > 1_000_000:
                raise OSError(code, os.strerror(code))
            return self._file.write(piece)

        def __getattr__(self, name):
            return getattr(self._file, name)

        def __enter__(self):
            return self

        def __exit__(self, *_):
            self._file.close()

    real = transfer._writing
    monkeypatch.setattr(transfer, "_writing", Quota)
    problem = refused(lambda: get("tiny"), "disk_full")
    assert "full" in problem.message
    nothing_usable(store)
    monkeypatch.setattr(transfer, "_writing", real)
    hub.seen.clear()
    get("tiny")
    assert any(seen.start > 0 for seen in hub.downloads()), "what came is kept"


@pytest.mark.skipif(os.name == "nt" or os.geteuid() == 0, reason="needs a user whom rights bind")
def test_a_folder_that_cannot_be_written(store, get):
    store.folder.mkdir()
    store.folder.chmod(0o500)
    try:
        refused(lambda: get("tiny"), "weights_unwritable")
    finally:
        store.folder.chmod(0o700)


def test_a_file_where_a_folder_must_be(store, get):
    store.folder.parent.mkdir(parents=True, exist_ok=True)
    store.folder.write_bytes(b"")
    with pytest.raises(KnownError) as told:
        get("tiny")
    assert told.value.reason == "weights_unwritable"


# mirrors, offline, licences


def test_a_mirror_takes_over_but_never_changes_a_hash(hub, mirror, store, get, fetcher):
    both = Fetcher(fetcher._store, Network(mirrors=(mirror.url,)), timeout=2.0, pauses=(0.01,))
    hub.faults.status, hub.faults.statuses = 503, 10_000
    mirror.faults.corrupt = True
    refused(lambda: get("tiny", using=both), "wrong_hash")
    nothing_usable(store)
    mirror.faults.corrupt = False
    found = get("tiny", using=both)
    assert dict(found.hashes) == {path: sha256(FILES[path]) for path in WANTED}
    assert mirror.downloads()
    assert not [seen for seen in mirror.seen if "/api/" in seen.path], "a mirror is never asked for hashes"


def test_the_good_source_wins_over_the_bad_one(hub, mirror, get, fetcher):
    both = Fetcher(fetcher._store, Network(mirrors=(mirror.url,)), timeout=2.0, pauses=(0.01,))
    hub.faults.corrupt = True
    assert (get("tiny", using=both).folder / "vae/diffusion.safetensors").read_bytes() == VAE


def test_the_rest_of_a_broken_download_comes_from_the_mirror(hub, mirror, get, fetcher):
    both = Fetcher(fetcher._store, Network(mirrors=(mirror.url,)), timeout=2.0, pauses=(0.01,))
    hub.faults.cut_after, hub.faults.cuts = 1_000_000, 1
    get("tiny", using=both)
    assert [seen.start > 0 for seen in mirror.downloads()] == [True]


def test_a_mirrors_word_is_not_taken_for_hashes_that_nobody_knows(hub, mirror, store, get, fetcher):
    hub.close()
    both = Fetcher(fetcher._store, Network(mirrors=(mirror.url,)), timeout=2.0, pauses=(0.01,))
    refused(lambda: get("tiny", using=both), "no_network")
    assert mirror.seen == []


def test_a_hub_on_an_open_road_is_not_believed(store, get, monkeypatch):
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example")
    refused(lambda: get("tiny"), "hub_refused")


def test_offline_mode_says_so_in_one_sentence(hub, store, get, fetcher):
    offline = Fetcher(fetcher._store, Network(offline=True))
    problem = refused(lambda: get("tiny", using=offline), "offline")
    assert problem.message == "Offline mode is on, so nothing is downloaded."
    refused(lambda: get("plain", using=offline), "offline")
    assert hub.seen == []
    nothing_usable(store)
    get("tiny")
    assert get("tiny", using=offline).revision == COMMIT, "what is here needs no network"


def test_a_licence_that_asks_is_accepted_first(hub, store, get):
    problem = refused(lambda: get("strict"), "licence_not_accepted")
    assert "Research only" in problem.message
    assert "https://example.org/research" in problem.hint
    assert hub.seen == []
    said = store.accept("strict")
    assert (said.licence, said.url) == ("Research only", "https://example.org/research")
    assert said.date.startswith("20")
    get("strict")
    assert store.acceptance("strict") == said
    (store.folder / "licences.json").unlink()
    refused(lambda: store.open("strict"), "licence_not_accepted")


# plain addresses and archives


def test_a_pinned_address_with_a_second_source(hub, mirror, get):
    hub.plain["/files/plain.pth"] = SAM[::-1]
    found = get("plain")
    assert (found.folder / "plain.pth").read_bytes() == SAM
    assert mirror.downloads()
    assert found.revision == ""


def test_an_address_without_a_published_hash(hub, store, get):
    assert "--yes" in refused(lambda: get("unknown"), "hash_unknown").hint
    assert hub.seen == []
    found = get("unknown", trust=True)
    assert found.hashes["unknown.pth"] == sha256(SAM)
    shutil.rmtree(found.folder)
    hub.plain["/files/unknown.pth"] = SAM[::-1]
    refused(lambda: get("unknown", trust=True), "wrong_hash")
    nothing_usable(store, "unknown")


def test_a_generator_is_never_taken_on_trust(hub, store, get):
    assert "paints" in refused(lambda: get("painter", trust=True), "hash_unknown").hint
    assert hub.seen == []


# two programs


def test_a_second_program_waits_and_finds_it_done(hub, store, get, fetcher):
    seen = []
    with locked(store.folder, "tiny"):
        cancel = CancelToken()

        def wait_for_it():
            with pytest.raises(Cancelled):
                fetcher.fetch("tiny", report=lambda now: seen.append(now.stage), cancel=cancel)

        other = threading.Thread(target=wait_for_it)
        other.start()
        time.sleep(0.4)
        cancel.set()
        other.join()
    assert set(seen) == {"waiting"}
    hub.faults.slow = 0.005
    results = []
    threads = [
        threading.Thread(
            target=lambda: results.append(fetcher.fetch("tiny", report=lambda _now: None, cancel=CancelToken()))
        )
        for _ in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results[0] == results[1]
    assert len([each for each in hub.downloads() if "unet/diffusion" in each.path]) == 1


def test_no_library_for_the_network_is_loaded_before_a_download():
    code = (
        "import sys, outfitswap_desktop.weights.fetch, outfitswap_desktop.weights.store;"
        "print([m for m in ('httpx', 'huggingface_hub', 'requests') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_every_source_of_this_room_stays_lazy():
    for path in Path(sys.modules["outfitswap_desktop"].__file__).parent.joinpath("weights").glob("*.py"):
        for line in path.read_text(encoding="utf-8").splitlines():
            assert not line.startswith(("import httpx", "from huggingface_hub", "import huggingface_hub"))


KILLED = """
import os, signal, sys
from pathlib import Path
from outfitswap_desktop.core.job import CancelToken
from outfitswap_desktop.weights.catalogue import read_catalogue
from outfitswap_desktop.weights.fetch import Fetcher
from outfitswap_desktop.weights.network import Network
from outfitswap_desktop.weights.store import WeightsStore

folder, left = sys.argv[1], int(sys.argv[3])

def hook(event, arguments):
    global left
    touches = event in ("open", "os.rename", "os.remove", "os.rmdir", "os.mkdir", "os.truncate")
    if touches and any(isinstance(each, str) and each.startswith(folder) for each in map(str, arguments)):
        left -= 1
        if left < 0:
            os.kill(os.getpid(), signal.SIGKILL)

store = WeightsStore(Path(folder), read_catalogue(Path(sys.argv[2])))
sys.addaudithook(hook)
Fetcher(store, Network()).fetch("tiny", report=lambda now: None, cancel=CancelToken())
print("done", left)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="this system has no kill -9")
@pytest.mark.parametrize("damaged", [False, True], ids=["first", "repair"])
def test_killed_before_every_step_on_the_disk(hub, store, get, tmp_path, catalogue_file, damaged):
    """kill -9 before each open, rename, remove and mkdir below the store: what is opened afterwards is always whole."""
    get("tiny")  # known from here on, so that the hub is not asked each time
    whole = {path: sha256(FILES[path]) for path in WANTED}
    for step in range(500):
        shutil.rmtree(store.place("tiny"), ignore_errors=True)
        shutil.rmtree(store.part("tiny"), ignore_errors=True)
        if damaged:
            get("tiny")
            (store.place("tiny") / "vae/diffusion.safetensors").write_bytes(b"x" * len(VAE))
            (store.place("tiny") / "unet/config.json").unlink()
            (store.place("tiny") / "unet/stray.safetensors").write_bytes(b"x")
        command = [sys.executable, "-c", KILLED, str(store.folder), str(catalogue_file), str(step)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if store.state("tiny") != "installed":
            with pytest.raises(NotAvailable, match=r"not installed|damaged"):
                store.open("tiny")
        else:
            opened = store.open("tiny")
            files = (path for path in opened.folder.rglob("*") if path.is_file() and path.name != "weights.json")
            found = {path.relative_to(opened.folder).as_posix(): sha256(path.read_bytes()) for path in files}
            assert found == whole, step
        assert dict(get("tiny").hashes) == whole, step
        if done.returncode == 0:
            assert step > 20
            return
        assert done.returncode == -signal.SIGKILL, done.stderr
    pytest.fail("it never came to its end")


def test_a_hub_that_never_answers_does_not_hold_up_a_cancel(store, get, monkeypatch):
    import socket

    with socket.create_server(("127.0.0.1", 0)) as silent:
        monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{silent.getsockname()[1]}")
        cancel = CancelToken()
        threading.Timer(2.0, cancel.set).start()  # its client takes a while to be imported
        started = time.monotonic()
        with pytest.raises(Cancelled):
            get("tiny", cancel=cancel)
        assert time.monotonic() - started < 10.0
    nothing_usable(store)
