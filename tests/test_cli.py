"""The command line, on a small demo and a store of a few entries."""

import os

import numpy as np
import pytest

from fastemlp import FastEMLPRegressor, __version__, clear_basis_cache, cli
from fastemlp.isometries import DenseIsometry
from fastemlp.store import BasisStore, key


@pytest.fixture
def small_demo(monkeypatch):
    """The demo with few samples and a small network; everything else is as shipped."""
    monkeypatch.setattr(cli, "N_TRAIN", 60)
    monkeypatch.setattr(cli, "N_TEST", 50)
    monkeypatch.setattr(
        cli,
        "FastEMLPRegressor",
        type(
            "FastEMLPRegressor",
            (FastEMLPRegressor,),
            {
                "fit": lambda self, X, y: FastEMLPRegressor.fit(
                    self.set_params(channels=20, n_layers=1, max_iter=3), X, y
                )
            },
        ),
    )


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_demo_prints_a_table_and_writes_the_figure(small_demo, tmp_path, capsys):
    pytest.importorskip("matplotlib", reason="the figure needs the plot extra")
    figure = tmp_path / "curves.png"
    assert cli.main(["demo", "--seed", "1", "--figure", str(figure)]) == 0
    out = capsys.readouterr().out
    assert figure.read_bytes()[:4] == b"\x89PNG"
    assert str(figure) in out
    check_table(out)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_demo_without_matplotlib_says_how_to_get_the_figure(
    small_demo, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(cli, "find_spec", lambda name: None)
    assert cli.main(["demo", "--figure", str(tmp_path / "curves.png")]) == 0
    out = capsys.readouterr().out
    assert "pip install 'fastemlp[plot]'" in out
    assert not (tmp_path / "curves.png").exists()
    check_table(out)


def check_table(out):
    rows = [line.split() for line in out.splitlines() if "LPRegressor(" in line]
    assert len(rows) == 3
    for row in rows:
        mse, error, seconds, parameters = row[-4:]
        assert np.isfinite([float(mse), float(error), float(seconds)]).all()
        assert int(parameters.replace(",", "")) > 100
    assert float(rows[0][-3]) < 1e-5 < float(rows[1][-3])


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_a_command_is_required(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
    assert "demo" in capsys.readouterr().err


# -- fastemlp basis ------------------------------------------------------------------------------------------------


@pytest.fixture
def own(tmp_path, monkeypatch):
    """The user's own directory, empty, as the environment names it."""
    monkeypatch.setenv("FASTEMLP_BASIS_DIR", str(tmp_path / "own"))
    for name in ("FASTEMLP_BASIS_PATH", "FASTEMLP_BASIS_STORE"):
        monkeypatch.delenv(name, raising=False)
    clear_basis_cache()
    return tmp_path / "own"


@pytest.fixture
def shared(tmp_path, own, monkeypatch):
    """A shared directory with one entry; the user's own has two."""
    monkeypatch.setenv("FASTEMLP_BASIS_PATH", str(tmp_path / "shared"))
    fill(tmp_path / "shared", ["V2"])
    fill(own, ["V4", "V6\x1b[2J"])
    return tmp_path / "shared"


def fill(directory, reps):
    Q = DenseIsometry(np.eye(5, 3))
    for rep in reps:
        about = {"rep": rep, "strategy": "dense"}
        assert BasisStore(directory).save(key(rep), Q, {"gap": 1.0}, about)


def cut(directory, rep):
    (path,) = directory.rglob(f"{key(rep)}.basis")
    path.write_bytes(path.read_bytes()[:-7])
    return path


def run(capsys, *arguments):
    status = cli.main(["basis", *map(str, arguments)])
    captured = capsys.readouterr()
    return status, captured.out, captured.err


def test_basis_warm_solves_and_keeps(own, capsys):
    status, out, _ = run(capsys, "warm", "O(5)", "T2>>T2")
    assert status == 0
    assert "T2>>T2 of O(5): size 625, rank 3, residual" in out
    assert f"1 entry, {next(BasisStore(own).entries()).n_bytes / 1000:.1f} kB new in {own}." in out
    clear_basis_cache()
    status, out, _ = run(capsys, "warm", "O(5)", "T(2)>>V2")
    assert status == 0
    assert f"0 entries, 0 bytes new in {own}." in out


def test_basis_warm_in_another_directory(own, tmp_path, capsys):
    status, out, _ = run(capsys, "warm", "--directory", tmp_path / "other", "SO(3)", "V>>V+V2")
    assert status == 0
    assert "2 entries, " in out
    assert not own.exists()
    assert os.environ["FASTEMLP_BASIS_DIR"] == str(own)


@pytest.mark.parametrize(
    ("group", "rep", "reason"),
    [
        ("O(5)", "Q", "parse_rep: cannot read 'Q'"),
        ("O(five)", "V", "parse_group: cannot read 'O(five)'"),
    ],
)
def test_basis_warm_says_what_it_cannot_read(own, capsys, group, rep, reason):
    status, out, err = run(capsys, "warm", group, rep)
    assert (status, out) == (1, "")
    assert reason in err


def test_basis_warm_says_at_once_that_nothing_can_be_kept(tmp_path, own, capsys):
    (tmp_path / "file").write_text("not a directory")
    status, out, err = run(capsys, "warm", "--directory", tmp_path / "file", "O(5)", "V2")
    assert (status, out) == (1, "")
    assert f"cannot make {tmp_path / 'file'}" in err


def test_basis_warm_asks_for_a_writable_directory(own, capsys, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    status, out, err = run(capsys, "warm", "O(5)", "V2")
    assert (status, out) == (1, "")
    assert f"cannot write to {own}. Choose another with --directory." in err


def test_basis_list_has_a_row_for_every_entry(own, shared, capsys):
    status, out, _ = run(capsys, "list")
    assert status == 0
    header, *rows, total = out.splitlines()
    assert header.split() == [
        "key",
        "rep",
        "size",
        "rank",
        "strategy",
        "bytes",
        "created",
        "directory",
    ]
    assert rows[0].split()[:5] == [key("V2")[:12], "V2", "5", "3", "dense"]
    assert [row.split()[-1] for row in rows] == [str(shared), str(own), str(own)]
    assert {row.split()[0] for row in rows[1:]} == {key(r)[:12] for r in ("V4", "V6\x1b[2J")}
    assert total.startswith("3 entries, ")
    assert "\x1b" not in out


def test_basis_list_names_damaged_entries(own, shared, capsys):
    path = cut(own, "V4")
    status, out, _ = run(capsys, "list")
    assert status == 0
    assert f"damaged: {path}: it should be" in out
    assert out.splitlines()[-1].startswith("3 entries, ")


def test_basis_list_of_an_empty_store(own, capsys):
    assert run(capsys, "list") == (0, f"0 entries, 0 bytes in {own}.\n", "")


def test_basis_verify_finds_nothing_wrong(own, shared, capsys):
    status, out, _ = run(capsys, "verify")
    assert status == 0
    assert out.startswith("3 entries, ")
    assert out.endswith(f"checked in {shared}, {own}: 0 damaged.\n")


def test_basis_verify_names_damaged_entries_of_every_directory(own, shared, capsys):
    paths = [cut(shared, "V2"), cut(own, "V4")]
    status, out, _ = run(capsys, "verify")
    assert status == 1
    for path in paths:
        assert f"damaged: {path}: it should be" in out
    assert out.endswith(": 2 damaged.\n")


def test_basis_clear_removes_the_users_own_entries(own, shared, capsys):
    cut(own, "V4")
    (own / "ab").mkdir(exist_ok=True)
    (own / "ab" / f"{'ab' * 32}-1-cd.tmp").write_bytes(b"left behind")
    status, out, _ = run(capsys, "clear")
    assert status == 0
    assert out.startswith("3 files, ")
    assert out.endswith(f" removed from {own}.\n")
    assert list(own.rglob("*.*")) == []
    assert len(list(shared.rglob("*.basis"))) == 1
    assert run(capsys, "clear") == (0, f"0 files, 0 bytes removed from {own}.\n", "")


def test_basis_clear_says_what_it_could_not_remove(own, shared, capsys, monkeypatch):
    monkeypatch.setattr(BasisStore, "clear", lambda self: (0, 0))
    status, _, err = run(capsys, "clear")
    assert status == 1
    assert "2 entries could not be removed." in err


@pytest.mark.parametrize("action", ["list", "verify", "clear"])
def test_directory_replaces_the_users_own(own, shared, tmp_path, capsys, action):
    status, out, _ = run(capsys, action, "--directory", tmp_path / "other")
    assert status == 0
    assert str(tmp_path / "other") in out
    assert str(own) not in out
    assert len(list(own.rglob("*.basis"))) == 2


@pytest.mark.parametrize("arguments", [["warm", "O(5)", "V2"], ["list"], ["verify"], ["clear"]])
def test_basis_commands_say_that_the_store_is_off(own, monkeypatch, capsys, arguments):
    monkeypatch.setenv("FASTEMLP_BASIS_STORE", "0")
    status, out, err = run(capsys, *arguments)
    assert (status, out) == (1, "")
    assert "turned off by FASTEMLP_BASIS_STORE" in err


def test_basis_needs_an_action(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["basis"])
    assert "warm,list,verify,clear" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("n", "text"),
    [
        (0, "0 bytes"),
        (999, "999 bytes"),
        (1000, "1.0 kB"),
        (2.5e7, "25.0 MB"),
        (3e13, "30000.0 GB"),
    ],
)
def test_bytes_are_readable(n, text):
    assert cli._readable(n) == text
