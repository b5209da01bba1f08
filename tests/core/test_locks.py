"""Locks: one process at a time, and none after its end, however it came."""

import errno
import subprocess
import sys
import threading
import time

import pytest

from diverse_inpainting.core import locks
from diverse_inpainting.core.locks import LockedError, locked

HOLD = """
import sys, time
from pathlib import Path
from diverse_inpainting.core.locks import locked
with locked(Path(sys.argv[1]), wait=False):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the lock."""
    command = [sys.executable, "-c", HOLD, str(tmp_path / "lock")]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_another_process_is_refused_until_the_first_is_killed(tmp_path, holder):
    with pytest.raises(LockedError), locked(tmp_path / "lock", wait=False):
        pass
    holder.kill()
    holder.wait()
    assert (tmp_path / "lock").exists(), "a stale lock"
    with locked(tmp_path / "lock", wait=False):
        pass
    assert not (tmp_path / "lock").exists()


def test_waiting_ends_with_the_other_process(tmp_path, holder):
    timer = threading.Timer(0.3, holder.kill)
    started = time.monotonic()
    timer.start()
    with locked(tmp_path / "lock", wait=True):
        assert time.monotonic() - started > 0.25


def test_threads_never_meet_inside(tmp_path):
    inside, met = [], []

    def work():
        for _ in range(50):
            with locked(tmp_path / "lock", wait=True):
                inside.append(1)
                met.append(len(inside))
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert met == [1] * 200
    assert not list(tmp_path.iterdir())


def test_an_error_in_the_block_releases_it(tmp_path):
    with pytest.raises(KeyError), locked(tmp_path / "lock", wait=False):
        raise KeyError
    with locked(tmp_path / "lock", wait=False):
        pass


def test_a_file_system_without_locks_is_said(tmp_path, monkeypatch, caplog):
    def refuse(file, wait):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(locks, "_lock", refuse)
    with locked(tmp_path / "lock", wait=False):
        pass
    assert "cannot be locked" in caplog.text
