"""Nothing but an intact entry is ever returned: every byte that is missing or changed is noticed."""

import errno
import re

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from store.examples import HONEST_BODY, ISOMETRIES, KEY, dense, forge, honest_fields

from fastemlp.exceptions import BasisStoreWarning
from fastemlp.store import BasisStore, entry, key
from fastemlp.store.entry import DamagedEntry

CONTENT = b"".join(
    bytes(chunk) for chunk in entry.encode(KEY, ISOMETRIES["composition"], {"gap": np.inf}, {})
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return tmp_path_factory.mktemp("damage") / "an.basis"


def refused(path, content, reason=None):
    path.write_bytes(content)
    with pytest.raises(DamagedEntry, match=reason):
        entry.read(path, KEY)


def test_the_content_itself_is_good(path):
    path.write_bytes(CONTENT)
    assert entry.read(path, KEY)[0].shape == (9, 2)


def test_cut_short_anywhere(path):
    for n in range(len(CONTENT)):
        refused(path, CONTENT[:n], "begin as an entry" if n < 24 else "should be")


def test_longer_than_written(path):
    refused(path, CONTENT + b"\0", "should be .* long and is")


@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_a_changed_byte_anywhere(path, position, change):
    content = bytearray(CONTENT)
    content[position] ^= change
    refused(path, content)


@given(st.binary(max_size=200))
def test_other_files(path, content):
    refused(path, content, "begin as an entry")
    refused(path, CONTENT[:8] + content)


def test_another_version(path):
    refused(path, forge(honest_fields(), HONEST_BODY, version=2), "version is 2, expected 1")


def test_another_key_inside(path):
    fields = honest_fields() | {"key": key("another")}
    refused(path, forge(fields, HONEST_BODY), f"holds the key '{key('another')}' and not '{KEY}'")


def test_forged_honestly_is_accepted(path):
    path.write_bytes(forge(honest_fields(), HONEST_BODY))
    np.testing.assert_array_equal(entry.read(path, KEY)[0].to_dense(), [[0.6], [0.8]])


@pytest.mark.parametrize(
    "code",
    ["|O", "O", "<f2", ">f8", "float64", "|V8", "<M8[ns]", "<U4", "|b1", "", None, 8, ["<f8"]],
)
def test_dtypes_off_the_list(path, code):
    fields = honest_fields() | {"arrays": [[code, [2, 1]]]}
    refused(path, forge(fields, HONEST_BODY), "header is not understood")


@pytest.mark.parametrize(
    "shape", [[-2, -1], [2, -1], [2.0, 1], [True, 2], "21", None, 2, [[2], 1], [float("inf")]]
)
def test_shapes_that_are_none(path, shape):
    fields = honest_fields() | {"arrays": [["<f8", shape]]}
    refused(path, forge(fields, HONEST_BODY), "header is not understood")


@pytest.mark.parametrize("shape", [[3, 1], [1, 0], [2**62, 2**62], [10**30], [2, 1, 10]])
def test_shapes_that_do_not_fill_the_file(path, shape):
    fields = honest_fields() | {"arrays": [["<f8", shape]]}
    refused(path, forge(fields, HONEST_BODY), "header describes a file of")


def test_an_empty_array_of_impossible_length(path):
    fields = honest_fields() | {"arrays": [["<f8", [0, 2**70]]]}
    refused(path, forge(fields), "cannot be rebuilt")


@pytest.mark.parametrize(
    "change",
    [
        {"class": "Isometry"},
        {"class": "os.system"},
        {"class": ["DenseIsometry"]},
        {"class": "OrbitIsometry"},
        {"class": "DirectSumIsometry"},
        {"class": "Composition"},
        {"arrays": {"Q": 1}},
        {"arrays": {"Q": "0"}},
        {"arrays": {}},
        {"arrays": [0]},
        {"children": 3},
        {"children": [{}]},
    ],
)
def test_trees_that_are_none(path, change):
    fields = honest_fields()
    fields["tree"] |= change
    refused(path, forge(fields, HONEST_BODY), "cannot be rebuilt")


@pytest.mark.parametrize("change", [{"shape": [2, 2]}, {"shape": [1, 2]}, {"dtype": "float32"}])
def test_isometries_that_are_not_what_the_header_says(path, change):
    refused(path, forge(honest_fields() | change, HONEST_BODY), "its isometry is .* expected")


@pytest.mark.parametrize("field", list(honest_fields()))
@pytest.mark.parametrize("value", [None, 7, [1, 2, 3], [[[]]], "missing"])
def test_headers_with_a_wrong_field(path, field, value):
    fields = honest_fields() | {field: value}
    if value == "missing":
        del fields[field]
    refused(path, forge(fields, HONEST_BODY))


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"3", b"{", b"\xff", b'{"key": \x00}', b"[" * 10**6, b'{"a":' * 10**6]
)
def test_headers_that_are_not_objects(path, raw):
    refused(path, forge(raw), "header is not understood")


def test_a_tree_of_endless_depth(path):
    node = b'{"class":"Composition","meta":{},"arrays":{},"children":['
    raw = forge_text(node * 10**5 + b"]}" * 10**5)
    refused(path, forge(raw))


def forge_text(tree):
    fields = honest_fields() | {"tree": "TREE", "arrays": []}
    return entry.json.dumps(fields).encode().replace(b'"TREE"', tree)


@pytest.mark.parametrize("n", [10**6, 2**32 - 1])
def test_a_header_longer_than_the_file(path, n):
    refused(path, forge(honest_fields(), HONEST_BODY, header_bytes=n), "sizes are not believable")


@pytest.mark.parametrize("n", [0, 2**33, 2**64 - 1])
def test_a_file_length_that_is_wrong(path, n):
    refused(path, forge(honest_fields(), HONEST_BODY, file_bytes=n), "should be")


@pytest.mark.parametrize("limit", ["HEADER_BYTES", "FILE_BYTES"])
def test_entries_that_are_too_large_are_neither_read_nor_written(
    path, tmp_path, monkeypatch, limit
):
    monkeypatch.setattr(entry, limit, 100)
    refused(path, CONTENT, "sizes are not believable")
    with pytest.raises(OSError, match="larger than entries may be") as caught:
        entry.encode(KEY, dense(), {}, {})
    assert caught.value.errno == errno.EFBIG
    with pytest.warns(BasisStoreWarning, match="larger than entries may be"):
        assert not BasisStore(tmp_path).save(KEY, dense(), {}, {})


@pytest.mark.parametrize(
    ("labels", "phases", "reason"),
    [
        ([0, 5], [0, 1], "labels reach from 0 to 5, not -1 to 0"),
        ([-2, 0], [0, 1], "labels reach from -2 to 0"),
        ([0, 0], [0, 2], "phases reach from 0 to 2, not 0 to 1"),
        ([0, 0], [-1, 0], "phases reach from -1"),
        ([0, 0], [0], r"phases are int64 of shape \(1,\), not 2 integers"),
        ([[0, 0], [0, 0]], [0, 1], "labels are int64 of shape"),
        ([0.0, 0.0], [0, 1], "labels are float64"),
    ],
)
def test_indices_that_lead_out_of_bounds(path, labels, phases, reason):
    arrays = [np.array(labels), np.array([2]), np.array(phases)]
    fields = honest_fields() | {"arrays": [[a.dtype.str, a.shape] for a in arrays]}
    fields["tree"] = {
        "class": "OrbitIsometry",
        "meta": {"n_phases": 2, "dtype": "float64"},
        "arrays": {"labels": 0, "sizes": 1, "phases": 2},
        "children": [],
    }
    body = b"".join(a.tobytes() + bytes(-a.nbytes % 16) for a in arrays)
    refused(path, forge(fields, body), f"cannot be rebuilt.*{reason}")


def test_a_damaged_entry_is_a_miss_with_a_warning_until_it_is_replaced(tmp_path):
    store = BasisStore(tmp_path)
    store.save(KEY, dense(), {}, {})
    (stored,) = store.entries()
    content = bytearray(stored.path.read_bytes())
    content[-40] ^= 1
    stored.path.write_bytes(content)

    said = re.escape(f"{stored.path} is not used: its checksum does not match")
    with pytest.warns(BasisStoreWarning, match=said):
        assert store.load(KEY) is None
    assert stored.path.read_bytes() == content
    assert ["checksum" in problem for _, problem in store.verify()] == [True]

    assert store.save(KEY, dense(), {}, {})
    assert store.load(KEY) is not None
    assert [problem for _, problem in store.verify()] == [""]


def test_an_entry_that_cannot_be_opened_is_a_miss_with_a_warning(tmp_path):
    store = BasisStore(tmp_path)
    (tmp_path / KEY[:2] / f"{KEY}.basis").mkdir(parents=True)
    with pytest.warns(BasisStoreWarning, match=f"{KEY}.basis is not used"):
        assert store.load(KEY) is None
    assert [bool(stored.problem) for stored in store.entries()] == [True]


def test_no_memory_for_an_entry_is_a_miss_with_a_warning(tmp_path, monkeypatch):
    store = BasisStore(tmp_path)
    store.save(KEY, dense(), {}, {})

    def exhausted(path, name):
        raise MemoryError

    monkeypatch.setattr(entry, "read", exhausted)
    with pytest.warns(BasisStoreWarning, match="MemoryError"):
        assert store.load(KEY) is None


@pytest.mark.parametrize(
    ("fields", "body", "problem"),
    [
        ({}, np.array([0.6, 0.9]), r"\|QᴴQ − I\| reaches 1\.7e-01, expected at most 2\.2e-12"),
        ({}, np.array([0.6, np.nan]), r"\|QᴴQ − I\| reaches nan"),
    ],
)
def test_verify_checks_the_isometry_too(tmp_path, fields, body, problem):
    path = tmp_path / KEY[:2] / f"{KEY}.basis"
    path.parent.mkdir()
    path.write_bytes(forge(honest_fields() | fields, body.tobytes()))
    ((stored, found),) = BasisStore(tmp_path).verify()
    assert stored.path == path
    assert re.search(problem, found)
