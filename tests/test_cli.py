"""The command line, on a small demo and a store of a few entries."""

import errno
import os
import signal
import subprocess
import sys
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from sklearn.neural_network import MLPRegressor

from fastemlp import FastEMLPRegressor, __version__, clear_basis_cache, cli
from fastemlp.groups import O
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
    out, err = capsys.readouterr()
    assert err == ""  # no bars where no one watches
    assert len(out) < 1500
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


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_the_labels_of_the_demo_make_its_models(small_demo, tmp_path, capsys, monkeypatch):
    fitted = {}
    monkeypatch.setattr(
        cli, "_n_parameters", lambda model: fitted.setdefault(id(model), model) and 999
    )
    assert cli.main(["demo", "--seed", "3", "--figure", str(tmp_path)]) == 0
    out = capsys.readouterr().out
    assert "random_state=3" in out
    assert f"written to {tmp_path / cli.FIGURE}\n" in out or "fastemlp[plot]" in out
    labels = [line.split("  ")[0].strip() for line in out.splitlines() if "LPRegressor(" in line]
    names = {"FastEMLPRegressor": FastEMLPRegressor, "MLPRegressor": MLPRegressor, "O": O}
    for label, model in zip(labels, fitted.values(), strict=True):
        promised = eval(label, names)
        if isinstance(promised, MLPRegressor):  # ours is made smaller for this test
            assert promised.set_params(random_state=3).get_params() == model.get_params()
        assert promised.get_params().get("group") == model.get_params().get("group")


@pytest.mark.parametrize(
    ("given", "written"),
    [("", cli.FIGURE), ("curves", "curves.png"), ("curves.SVG", "curves.SVG"), (".x", ".x.png")],
)
def test_the_figure_is_written_under_the_name_reported(tmp_path, given, written):
    plotting = pytest.importorskip("fastemlp.plotting", reason="needs the plot extra")
    path = plotting.figure_path(tmp_path / given, cli.FIGURE)
    assert plotting.save_learning_curves(path, {"a": [1, 0.1]}, title="t") == path
    assert [found.name for found in tmp_path.iterdir()] == [written] == [path.name]


@pytest.mark.parametrize(
    ("figure", "reason"),
    [
        ("missing/x.png", "No such file or directory"),
        ("file/x.png", "Not a directory"),
        ("x.docx", "matplotlib cannot write a figure as '.docx' here. Use .png, .pdf or .svg."),
        (f"{'x' * 300}.png", "File name too long"),
    ],
)
def test_a_figure_that_cannot_be_written_is_refused_before_training(
    tmp_path, capsys, monkeypatch, figure, reason
):
    pytest.importorskip("matplotlib", reason="the figure needs the plot extra")
    monkeypatch.setattr(cli, "make_o5_synthetic", None)
    (tmp_path / "file").touch()
    assert cli.main(["demo", "--figure", str(tmp_path / figure)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"fastemlp: --figure {tmp_path / figure}: ")
    assert reason in err
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


def check_table(out):
    rows = [line.split() for line in out.splitlines() if "LPRegressor(" in line]
    assert len(rows) == 3
    for row in rows:
        mse, error, seconds, parameters = row[-4:]
        assert np.isfinite([float(mse), float(error), float(seconds)]).all()
        assert int(parameters.replace(",", "")) > 5
    assert float(rows[0][-3]) < 1e-5 < float(rows[1][-3])


def test_version(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert __version__ in capsys.readouterr().out


def test_a_command_is_required(capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main([])
    assert "demo" in capsys.readouterr().err


def test_help_says_what_the_exit_status_means(capsys):
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--help"])
    assert " ".join(cli.EXIT_STATUS.split()) in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("seed", ["-1", "", "x", "1.5", "1e3", "4294967296", "0x10", "²", "nan"])
def test_a_seed_is_a_whole_number_in_range(seed, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["demo", f"--seed={seed}"])
    assert f"expected a whole number from 0 to 4294967295, got {seed!r}" in capsys.readouterr().err


# -- how it ends ---------------------------------------------------------------------------------------------------


def start(*arguments, **options):
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen([sys.executable, "-m", "fastemlp", *arguments], **(pipes | options))


def test_python_m_fastemlp():
    process = start("--version")
    assert process.communicate(timeout=60) == (f"fastemlp {__version__}\n", "")
    assert process.returncode == 0


def test_a_reader_that_goes_away():
    read, write = os.pipe()
    os.close(read)
    process = start("basis", "list", stdout=write)
    os.close(write)
    assert process.communicate(timeout=60)[1] == ""
    assert process.returncode == 1


def test_an_interrupt_ends_without_a_traceback(tmp_path):
    # what is started in the background of a shell ignores interrupts, and its children with it
    process = start(
        "demo",
        "--figure",
        str(tmp_path),
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    process.stdout.readline()  # it has begun
    process.send_signal(signal.SIGINT)
    assert process.communicate(timeout=60)[1].strip() == "fastemlp: interrupted."
    assert process.returncode == 130


class Output:
    """Standard output that fails in some way."""

    encoding = "utf-8"

    def __init__(self, error):
        self.error = error

    def write(self, text):
        raise self.error

    def flush(self):
        raise self.error


@pytest.mark.parametrize("action", ["list", "verify", "clear"])
@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (BrokenPipeError(errno.EPIPE, "Broken pipe"), 1, ""),
        (OSError(errno.ENOSPC, "No space left on device"), 1, "fastemlp: No space left on device."),
        (KeyboardInterrupt(), 130, "fastemlp: interrupted."),
        (MemoryError(), 1, "fastemlp: MemoryError"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_output_that_cannot_be_written(own, action, error, status, said, monkeypatch, capsys):
    monkeypatch.setattr(cli, "_write_nowhere", lambda: None)
    monkeypatch.setattr(sys, "stdout", Output(error))
    assert cli.main(["basis", action]) == status
    assert capsys.readouterr().err.strip() == said


def test_no_output_at_all(own, monkeypatch):
    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    assert cli.main(["basis", "list"]) == 0
    assert cli.main(["basis", "warm", "Q", "V"]) == 1


# -- what cannot be understood: a family ---------------------------------------------------------------------------

BAD_GROUPS = [
    *(
        "",
        " ",
        "O",
        "O()",
        "O(5",
        "O(five)",
        "O(-1)",
        "O(0)",
        "O(5)*",
        "1",
        "SO(3)+SO(2)",
        "O(5.5)",
    ),
    *("[]", "O(5,5)", "O(m=3)", "(" * 300, "SO(3)\0", "é", "S(0)", "Embed(SO(2),1,slice(0,2))"),
    *("WreathProduct(S(2))", "--", "Sp(None)", "O([3])", "Z(10000000000000000000000)", "lambda: 0"),
    *("__import__('os')", "O(1).realified(2)", "SO(2)" * 50, "SO(3)*SO(", "V", "SO(2)**2"),
]
BAD_REPS = [
    *("", " ", "Q", "V^", "V>>", "3", "V-V", "V**-1", "V**V", "V**(10**9)", "V**1000000000"),
    *("(" * 300, "T(-1)", "T(1,2,3)", "V(SO(3)*", "V9999999999", "T(10000000)", "T(0,10000000)"),
    *("V.T.T.X", "V()", "V(V)", "0", "-V", "V*V*", "V0V", "V(S(4))", "V>>V>>V>>", "\0", "True"),
    *("V+'a'", "V if V else V", "[V for V in V]", "V**2.5", "T(1e3)", "V@V", "10**10**10*V"),
]
BAD_PATHS = ["file", "file/sub", "x" * 300]
BAD_DEMOS = [
    ["--seed", "-3"],
    ["--seed"],
    ["--figure"],
    ["--sed", "x"],
    ["x"],
]
BAD_WORDS = [[], [""], ["base"], ["basis"], ["basis", ""], ["basis", "lst"], ["basis", "list", "x"]]
FAMILY = [
    *(["basis", "warm", group, "V"] for group in BAD_GROUPS),
    *(["basis", "warm", "O(3)", rep] for rep in BAD_REPS),
    *(["basis", "warm", *pair] for pair in product(BAD_GROUPS[::3], BAD_REPS[::4])),
    *(["basis", "warm", *some] for some in ([], ["O(3)"], ["O(3)", "V", "V"], ["-1", "V"])),
    *(
        ["basis", action, *given, "--directory", path]
        for (action, *given), path in product(
            (["warm", "O(3)", "V"], ["warm", "?", "?"], ["list"], ["verify"], ["clear"]),
            BAD_PATHS,
        )
    ),
    *(["basis", action, "--directory"] for action in ("warm", "list", "verify", "clear")),
    *(["demo", *given] for given in BAD_DEMOS),
    *BAD_WORDS,
    *([*words, "--figure", "x.png"] for words in BAD_WORDS),
    *([*words, "--seed", "3"] for words in BAD_WORDS),
]


def test_the_family_is_large():
    assert len(FAMILY) >= 200


@pytest.mark.parametrize("arguments", FAMILY, ids=lambda arguments: ascii(arguments)[:60])
def test_what_cannot_be_understood_is_said_in_a_line(own, tmp_path, monkeypatch, capsys, arguments):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(cli, "make_o5_synthetic", None)  # nothing is learnt here
    Path("file").touch()
    try:
        status = cli.main(arguments)
    except SystemExit as refusal:
        status = refusal.code
    out, err = capsys.readouterr()
    assert status in (1, 2)
    assert out == ""
    assert err.splitlines()[-1].startswith("fastemlp")
    assert not own.exists() or not list(own.rglob("*.basis"))


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


def test_basis_warm_refuses_what_is_too_large(own, capsys):
    status, out, err = run(capsys, "warm", "SO(1000)", "V>>V")
    assert (status, out) == (1, "")
    assert "SO(1000): its 499,500 generators of size 1,000 × 1,000 take 4.7 GiB" in err
    assert "expected at most 1 GiB. Choose a smaller group" in err


def test_basis_warm_keeps_to_a_memory_budget(own, capsys):
    status, out, err = run(capsys, "warm", "SO(3)", "V6", "--memory-budget", "1kB")
    assert (status, out) == (1, "")
    assert err.startswith("fastemlp: equivariant_basis: ")
    assert "memory_budget" in err
    clear_basis_cache()
    assert run(capsys, "warm", "SO(3)", "V6", "--memory-budget", "1GiB")[0] == 0


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("7", 7),
        ("7B", 7),
        ("2kB", 2000),
        ("1.5 GiB", 3 * 2**29),
        ("4G", 4 * 10**9),
        ("1TiB", 2**40),
    ],
)
def test_sizes(text, n_bytes):
    assert cli._n_bytes(text) == n_bytes


@pytest.mark.parametrize("text", ["", "0", "-1", "1e9", "GB", "nan", "inf", "0.1B", "1PB", "²"])
def test_a_memory_budget_is_a_size(text, own, capsys):
    with pytest.raises(SystemExit, match="2"):
        cli.main(["basis", "warm", "O(3)", "V", f"--memory-budget={text}"])
    assert f"expected a size such as 500MB or 4GiB, got {text!r}" in capsys.readouterr().err


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


def test_basis_warm_says_at_once_that_nothing_can_be_kept(tmp_path, own, capsys, monkeypatch):
    (tmp_path / "file").write_text("not a directory")
    status, out, err = run(capsys, "warm", "--directory", tmp_path / "file", "O(5)", "V2")
    assert (status, out) == (1, "")
    assert f"{tmp_path / 'file'}: Not a directory." in err
    monkeypatch.setattr(Path, "mkdir", refuse)
    status, out, err = run(capsys, "warm", "O(5)", "V2")
    assert (status, out) == (1, "")
    assert f"cannot make {own}: Permission denied." in err


def refuse(*_, **__):
    raise PermissionError(errno.EACCES, "Permission denied")


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
def test_a_file_is_no_store(own, tmp_path, monkeypatch, capsys, action):
    (tmp_path / "file").touch()
    said = (1, "", f"fastemlp: basis store: {tmp_path / 'file'}: Not a directory.\n")
    assert run(capsys, action, "--directory", tmp_path / "file") == said
    monkeypatch.setenv("FASTEMLP_BASIS_PATH", str(tmp_path / "file"))
    assert run(capsys, action) == said


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
