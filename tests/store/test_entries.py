"""What is saved is loaded, bit by bit, for every class; and the names of entries."""

import numpy as np
import pytest
from store.examples import ISOMETRIES, KEY, dense

from fastemlp import irreducibles, isometries
from fastemlp.isometries import DenseIsometry, Isometry
from fastemlp.store import BasisStore, key
from fastemlp.store.tree import CLASSES

CERTIFICATE = {"residual": 1e-16 / 3, "gap": np.inf, "n_matvecs": 12, "strategy": "dense — SVD"}


@pytest.fixture
def store(tmp_path):
    return BasisStore(tmp_path / "bases")


def same(a, b):
    (meta_a, arrays_a, children_a), (meta_b, arrays_b, children_b) = a.state(), b.state()
    assert type(a) is type(b)
    assert (a.shape, a.dtype, meta_a, list(arrays_a)) == (b.shape, b.dtype, meta_b, list(arrays_b))
    for one, other in zip(arrays_a.values(), arrays_b.values(), strict=True):
        assert one.dtype == other.dtype
        np.testing.assert_array_equal(one, other)
    for one, other in zip(children_a, children_b, strict=True):
        same(one, other)


def arrays_of(isometry):
    _, arrays, children = isometry.state()
    yield from arrays.values()
    for child in children:
        yield from arrays_of(child)


@pytest.mark.parametrize("name", ISOMETRIES)
def test_roundtrip(store, name):
    isometry = ISOMETRIES[name]
    assert store.save(KEY, isometry, CERTIFICATE, {"rep": "V"})
    loaded, certificate = store.load(KEY)
    same(loaded, isometry)
    assert certificate == CERTIFICATE
    x = np.arange(isometry.rank, dtype=isometry.dtype)
    np.testing.assert_array_equal(loaded @ x, isometry @ x)
    assert [problem for _, problem in store.verify()] == [""]


@pytest.mark.parametrize("name", ISOMETRIES)
def test_loaded_arrays_are_aligned_and_cannot_be_written(store, name):
    store.save(KEY, ISOMETRIES[name], {}, {})
    for array in arrays_of(store.load(KEY)[0]):
        assert array.flags.aligned
        assert array.flags.c_contiguous
        assert not array.flags.writeable
        with pytest.raises(ValueError, match="WRITEABLE"):
            array.flags.writeable = True


def test_every_public_class_can_be_stored():
    public = {getattr(room, name) for room in (isometries, irreducibles) for name in room.__all__}
    public = {found for found in public if isinstance(found, type)}
    assert set(CLASSES.values()) == {cls for cls in public if issubclass(cls, Isometry)} - {
        Isometry
    }
    assert all(name == cls.__name__ for name, cls in CLASSES.items())


def test_numbers_of_numpy_and_infinities_come_back_as_numbers(store):
    certificate = {"a": np.float32(0.5), "b": np.int64(3), "c": -np.inf, "d": np.bool_(True)}
    store.save(KEY, dense(), certificate, {})
    loaded = store.load(KEY)[1]
    assert loaded == {"a": 0.5, "b": 3, "c": -np.inf, "d": True}
    assert [type(value) for value in loaded.values()] == [float, int, float, bool]


def test_description_is_completed_but_what_is_given_wins(store):
    store.save(KEY, dense(6, 2), {}, {"rep": "V2", "strategy": "dense", "rank": "two"})
    (stored,) = store.entries()
    about = stored.header.description
    assert about.pop("created").endswith("+00:00")
    assert about.pop("version")
    assert about == {"rep": "V2", "strategy": "dense", "size": 6, "rank": "two"}


def test_saving_again_replaces(store):
    for gap in (1.0, 2.0):
        assert store.save(KEY, dense(), {"gap": gap}, {})
    assert store.load(KEY)[1] == {"gap": 2.0}
    assert len(list(store.entries())) == 1


def test_what_cannot_be_stored_is_refused_with_the_reason(store):
    class Homemade(DenseIsometry):
        pass

    class DenseNamesake(DenseIsometry):
        pass

    DenseNamesake.__name__ = "DenseIsometry"
    for cls in (Homemade, DenseNamesake):
        with pytest.raises(TypeError, match=rf"{cls.__name__}, expected one of .*CLASSES"):
            store.save(KEY, cls(np.eye(2)), {}, {})
    with pytest.raises(TypeError, match=r"array 'Q' of DenseIsometry, of dtype object"):
        store.save(KEY, DenseIsometry(np.eye(2).astype(object)), {}, {})
    with pytest.raises(TypeError, match=r"expected numbers, strings and lists .* of type ndarray"):
        store.save(KEY, dense(), {"residual": np.zeros(2)}, {})
    assert list(store.entries()) == []


def test_key_is_the_same_in_every_process():
    assert key() == "6f3ce3fcd45b452b211f710a372e2d1156bffbf18c0f56333ff0fb6a919d01d7"
    assert (
        key("SO(3)", b"\x00\xff", "é")
        == "329cd1e2c55b375f1dc91bb7f79dd1e8012992515b8af6e6008ac713137adbf6"
    )


def test_key_tells_parts_apart():
    parts = [
        ("ab", "c"),
        ("a", "bc"),
        ("abc",),
        ("ab", "c", ""),
        ("ab", b"c"),
        (b"abc",),
        (),
        ("",),
    ]
    assert len({key(*each) for each in parts}) == len(parts)


def test_key_takes_text_and_bytes_only():
    with pytest.raises(TypeError, match=r"expected parts of str or bytes, got 1e-05"):
        key("SO(3)", 1e-5)


@pytest.mark.parametrize("bad", ["", "abc", KEY.upper(), f"../{KEY[3:]}", KEY + "0", None])
def test_only_keys_name_files(store, bad):
    for call in (lambda: store.load(bad), lambda: store.save(bad, dense(), {}, {})):
        with pytest.raises(ValueError, match="expected a key of 64 hexadecimal digits"):
            call()
