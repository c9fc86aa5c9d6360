"""Killed writers, many writers, full disks, forbidden directories: never half an entry, never an error."""

import errno
import os
import subprocess
import sys
import time
import warnings

import pytest
from store.examples import KEY, dense

from fastemlp.exceptions import BasisStoreWarning
from fastemlp.store import BasisStore, files, key

IS_ROOT = hasattr(os, "geteuid") and os.geteuid() == 0

# Each process writes and reads the same few entries; every read must find a whole one.
WRITE_AND_READ = """
import sys, warnings
import numpy as np
from fastemlp.isometries import DenseIsometry
from fastemlp.store import BasisStore, key

warnings.simplefilter("error")
store = BasisStore(sys.argv[1])
for i in range(30):
    name = key(str(i % 3))
    Q = np.eye(100 * (1 + i % 3))
    assert store.save(name, DenseIsometry(Q), {"gap": 1.0}, {"rep": "V"})
    isometry, certificate = store.load(name)
    assert np.array_equal(isometry.to_dense(), Q) and certificate == {"gap": 1.0}
print("done")
"""

# Stops for ever just before its entry would appear.
WRITE_AND_HANG = """
import os, sys, time
import numpy as np
from fastemlp.isometries import DenseIsometry
from fastemlp.store import BasisStore

def hang(source, target):
    print("written", flush=True)
    time.sleep(600)

os.replace = hang
BasisStore(sys.argv[1]).save(sys.argv[2], DenseIsometry(np.eye(50)), {}, {})
"""


def start(code, *arguments):
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def all_files(directory):
    return [path for path in directory.rglob("*") if path.is_file()]


def test_processes_write_and_read_the_same_entries_at_the_same_time(tmp_path):
    processes = [start(WRITE_AND_READ, tmp_path) for _ in range(2)]
    for process in processes:
        out, err = process.communicate(timeout=300)
        assert out == "done\n", err
    store = BasisStore(tmp_path)
    assert sorted(all_files(tmp_path)) == sorted(stored.path for stored in store.entries())
    assert [problem for _, problem in store.verify()] == ["", "", ""]


def test_a_killed_writer_leaves_no_entry_and_its_file_is_cleared_in_time(tmp_path):
    process = start(WRITE_AND_HANG, tmp_path, KEY)
    try:
        assert process.stdout.readline() == "written\n"
    finally:
        process.kill()
        process.communicate()
    (left,) = all_files(tmp_path)
    assert left.suffix == ".tmp"
    store = BasisStore(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.load(KEY) is None
    assert list(store.entries()) == []

    # it could still be at work: left alone at first, removed once it has been silent for long
    assert store.save(KEY, dense(), {}, {})
    assert left.exists()
    long_ago = time.time() - 2 * files.ABANDONED
    os.utime(left, (long_ago, long_ago))
    assert store.save(KEY, dense(), {}, {})
    assert not left.exists()
    assert store.load(KEY) is not None


def test_interrupted_writer_removes_its_file(tmp_path, monkeypatch):
    def interrupted(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(KeyboardInterrupt):
        BasisStore(tmp_path).save(KEY, dense(), {}, {})
    assert all_files(tmp_path) == []


@pytest.mark.parametrize("function", ["fsync", "replace"])
@pytest.mark.parametrize("code", ["ENOSPC", "EROFS", "EACCES", "EDQUOT", "EIO"])
def test_what_cannot_be_written_is_told_once_and_leaves_nothing(
    tmp_path, monkeypatch, function, code
):
    def fails(*arguments):
        raise OSError(getattr(errno, code), os.strerror(getattr(errno, code)))

    store = BasisStore(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(os, function, fails)
        with pytest.warns(BasisStoreWarning, match=os.strerror(getattr(errno, code))) as caught:
            assert not any(store.save(key(str(i)), dense(), {}, {}) for i in range(3))
    assert len(caught) == 1
    assert str(tmp_path) in str(caught[0].message)
    assert all_files(tmp_path) == []
    # room again: the store goes on
    assert store.save(KEY, dense(), {}, {})


def test_a_failed_replacement_keeps_the_entry_that_was_there(tmp_path, monkeypatch):
    store = BasisStore(tmp_path)
    store.save(KEY, dense(), {"gap": 1.0}, {})

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.warns(BasisStoreWarning, match="No space left"):
        assert not store.save(KEY, dense(), {"gap": 2.0}, {})
    assert store.load(KEY)[1] == {"gap": 1.0}


def test_a_disk_that_fills_in_the_middle_of_a_file(tmp_path):
    resource = pytest.importorskip("resource", reason="file size limits are POSIX")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    store = BasisStore(tmp_path)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, hard))
    try:
        with pytest.warns(BasisStoreWarning, match="cannot write"):
            assert not store.save(KEY, dense(2000, 1), {}, {})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert all_files(tmp_path) == []


@pytest.mark.skipif(IS_ROOT, reason="nothing is read-only to root")
def test_a_read_only_directory(tmp_path):
    store = BasisStore(tmp_path)
    store.save(KEY, dense(), {}, {})
    folder = tmp_path / KEY[:2]
    for path in (folder, tmp_path):
        path.chmod(0o500)
    try:
        with pytest.warns(BasisStoreWarning, match="Permission denied"):
            assert not store.save(KEY, dense(), {}, {})
        assert store.load(KEY) is not None
        assert store.clear() == (0, 0)
    finally:
        for path in (tmp_path, folder):
            path.chmod(0o700)


def test_a_directory_that_cannot_exist(tmp_path):
    (tmp_path / "file").write_text("not a directory")
    store = BasisStore(tmp_path / "file" / "bases")
    with pytest.warns(BasisStoreWarning, match="cannot write to .*FASTEMLP_BASIS_DIR"):
        assert not store.save(KEY, dense(), {}, {})
    assert list(store.entries()) == []
    assert store.clear() == (0, 0)


def test_files_are_readable_by_whom_the_umask_allows(tmp_path):
    if os.name == "nt":
        pytest.skip("umask is POSIX")
    old = os.umask(0o022)
    try:
        BasisStore(tmp_path).save(KEY, dense(), {}, {})
    finally:
        os.umask(old)
    (path,) = all_files(tmp_path)
    assert path.stat().st_mode & 0o777 == 0o644


def test_clear_removes_entries_and_temporary_files_and_nothing_else(tmp_path):
    store = BasisStore(tmp_path)
    names = [key(str(i)) for i in range(5)]
    for name in names:
        store.save(name, dense(), {}, {})
    folder = tmp_path / names[0][:2]
    (folder / f"{names[0]}-1-ab.tmp").write_bytes(b"123")
    (folder / f"{names[1]}.basis").write_bytes(b"damaged")
    n_bytes = sum(path.stat().st_size for path in all_files(tmp_path))
    foreign = [tmp_path / "notes.basis", folder / "notes.basis", folder / f"{names[0]}.txt"]
    for path in foreign:
        path.write_text("mine")
    assert store.clear() == (7, n_bytes)
    assert sorted(all_files(tmp_path)) == sorted(foreign)
    assert store.clear() == (0, 0)
