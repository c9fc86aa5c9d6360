"""The command line, on a small demo."""

import numpy as np
import pytest

from fastemlp import FastEMLPRegressor, __version__, cli


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
