"""Shared directories first, then the user's own; and where the environment puts them."""

import os
import pickle
import warnings
from pathlib import Path

import platformdirs
import pytest
from store.examples import KEY, dense

from fastemlp.exceptions import BasisStoreWarning
from fastemlp.store import BasisStore, default_store, key


@pytest.fixture
def three(tmp_path):
    """Directories "a" and "b" to share and "own", each with the entry KEY that names it."""
    paths = [tmp_path / name for name in ("a", "b", "own")]
    for path in paths:
        BasisStore(path).save(KEY, dense(), {"from": path.name}, {"rep": "V"})
    return paths


def test_the_first_directory_wins(three):
    a, b, own = three
    assert BasisStore(own, [a, b]).load(KEY)[1] == {"from": "a"}
    assert BasisStore(own, [b, a]).load(KEY)[1] == {"from": "b"}
    assert BasisStore(own).load(KEY)[1] == {"from": "own"}


def test_directories_without_the_entry_are_passed_over(three, tmp_path):
    a, b, own = three
    BasisStore(a).clear()
    store = BasisStore(own, [tmp_path / "does not exist", a, b])
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.load(KEY)[1] == {"from": "b"}
        assert store.load(key("nowhere")) is None


def test_a_damaged_shared_entry_is_passed_over_with_a_warning(three):
    a, b, own = three
    (path,) = a.rglob("*.basis")
    path.write_bytes(path.read_bytes()[:100])
    with pytest.warns(BasisStoreWarning, match="should be .* bytes long and is 100"):
        assert BasisStore(own, [a, b]).load(KEY)[1] == {"from": "b"}


def test_only_the_own_directory_is_written_and_cleared(three):
    a, b, own = three
    store = BasisStore(own, [a, b])
    assert store.save(key("new"), dense(), {}, {})
    assert [len(list(path.rglob("*.basis"))) for path in three] == [1, 1, 2]
    assert store.clear()[0] == 2
    assert [len(list(path.rglob("*.basis"))) for path in three] == [1, 1, 0]


def test_entries_of_every_directory_are_listed_once(three):
    a, b, own = three
    store = BasisStore(own, [a, own, b, a])
    assert [stored.directory for stored in store.entries()] == [a, own, b]
    assert all(stored.header.key == KEY for stored in store.entries())


def test_without_a_directory_nothing_is_kept(three):
    store = BasisStore(None, three[:1])
    assert store.load(KEY)[1] == {"from": "a"}
    assert store.save(key("new"), dense(), {}, {}) is False
    assert store.clear() == (0, 0)
    assert len(list(store.entries())) == 1


@pytest.fixture
def environment(monkeypatch):
    for name in ("STORE", "DIR", "PATH"):
        monkeypatch.delenv(f"FASTEMLP_BASIS_{name}", raising=False)
    return monkeypatch


def test_default_is_the_cache_directory_of_the_platform(environment):
    store = default_store()
    assert store.directory == Path(platformdirs.user_cache_dir("fastemlp")) / "bases"
    assert store.shared == ()


def test_the_environment_is_read_at_every_call(environment, tmp_path):
    environment.setenv("FASTEMLP_BASIS_DIR", str(tmp_path / "own"))
    assert default_store().directory == tmp_path / "own"
    environment.setenv("FASTEMLP_BASIS_DIR", str(tmp_path / "other"))
    paths = ["", str(tmp_path / "a"), "", str(tmp_path / "b")]
    environment.setenv("FASTEMLP_BASIS_PATH", os.pathsep.join(paths))
    assert default_store().directory == tmp_path / "other"
    assert default_store().shared == (tmp_path / "a", tmp_path / "b")
    assert default_store(tmp_path / "given").directory == tmp_path / "given"
    environment.setenv("FASTEMLP_BASIS_DIR", "~/bases")
    assert default_store().directory == Path("~/bases").expanduser()


@pytest.mark.parametrize("value", ["0", "off", " False ", "no"])
def test_the_store_can_be_turned_off(environment, three, value):
    environment.setenv("FASTEMLP_BASIS_PATH", str(three[0]))
    environment.setenv("FASTEMLP_BASIS_STORE", value)
    store = default_store()
    assert store.directories == ()
    assert store.load(KEY) is None
    assert store.save(KEY, dense(), {}, {}) is False


@pytest.mark.parametrize("value", ["", "1", "on"])
def test_other_values_leave_it_on(environment, value):
    environment.setenv("FASTEMLP_BASIS_STORE", value)
    assert default_store().directory is not None


def test_warnings_of_the_default_store_are_given_once(environment, tmp_path):
    (tmp_path / "file").write_text("not a directory")
    environment.setenv("FASTEMLP_BASIS_DIR", str(tmp_path / "file"))
    with pytest.warns(BasisStoreWarning, match="cannot write") as caught:
        assert not any(default_store().save(KEY, dense(), {}, {}) for _ in range(3))
    assert len(caught) == 1


def test_stores_can_be_sent_to_other_processes(three):
    store = pickle.loads(pickle.dumps(BasisStore(three[2], three[:2])))
    assert store.load(KEY)[1] == {"from": "a"}
    assert repr(store) == repr(BasisStore(three[2], three[:2]))
