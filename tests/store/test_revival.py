"""Entries that are intact as files and wrong as bases are solved anew; warnings come with what is found."""

import warnings

import numpy as np
import pytest

from fastemlp import Group, clear_basis_cache, equivariant_basis
from fastemlp.bases import cache
from fastemlp.bases.cache import SolveOptions, _store_key, constraint, solve_type
from fastemlp.groups import SO, C, O, S
from fastemlp.irreducibles.intertwiners import SchurIsometry
from fastemlp.isometries import Composition, DenseIsometry, DirectSumIsometry, OrbitIsometry
from fastemlp.reps import V
from fastemlp.solver import solve_nullspace
from fastemlp.store import BasisStore

KINDS = {
    "orbits": (OrbitIsometry, V**4, S(4), "orbits"),
    "orbits and signs": (
        OrbitIsometry,
        V**4,
        Group(discrete_generators=[[[0, -1], [1, 0]]]),
        "orbits",
    ),
    "schur": (SchurIsometry, V**2 >> V**2, C(5), "schur"),
    "dense": (DenseIsometry, V**4, SO(3), "dense"),
    "lanczos": (DenseIsometry, V**5, SO(3), "lanczos"),
    "auto": (DenseIsometry, V**4, O(3), "auto"),
}
OPTIONS = {
    "tol": None,
    "random_state": 0,
    "store": True,
    "verbose": 0,
    "memory_budget": 2**30,
}


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("FASTEMLP_BASIS_DIR", str(tmp_path))
    monkeypatch.delenv("FASTEMLP_BASIS_STORE", raising=False)
    clear_basis_cache()
    yield tmp_path
    clear_basis_cache()


@pytest.fixture
def n_solves(monkeypatch):
    """How many types were solved, as a list that grows."""
    solved = []

    def counted(*arguments, **keywords):
        solved.append(1)
        return solve_nullspace(*arguments, **keywords)

    monkeypatch.setattr(cache, "solve_nullspace", counted)
    return solved


def served(term, method, n_solves):
    """The isometry as a new process would get it, and whether it was found."""
    clear_basis_cache()
    before = len(n_solves)
    solved = solve_type(term, SolveOptions(method=method, **OPTIONS))
    return solved, len(n_solves) == before


def rewritten(place, name, isometry, certificate):
    assert BasisStore(place).save(name, isometry, certificate, {})


def damages(Q, rng):
    """Bases that are wrong in as many ways, as dense matrices; each an honest file of its shape."""
    m, r = Q.shape
    i, j = rng.choice(r, 2, replace=False) if r > 1 else (0, 0)
    yield np.delete(Q, i, 1)
    yield np.hstack([Q, Q[:, [i]]])
    doubled = Q.copy()
    doubled[:, i] *= 2
    yield doubled
    repeated = Q.copy()
    repeated[:, i] = Q[:, j] if r > 1 else 0
    yield repeated
    yield Q * (1 + 1e-6)
    turned = Q.copy()
    other = rng.standard_normal(m)
    other -= Q @ (Q.conj().T @ other)
    turned[:, i] = other / np.linalg.norm(other)
    yield turned
    yield Q[:, :0]
    yield np.where(np.arange(m)[:, None] == rng.integers(m), np.nan, Q)


@pytest.mark.parametrize("kind", KINDS)
def test_wrong_bases_are_solved_anew_and_replaced(place, n_solves, kind):
    cls, rep, group, method = KINDS[kind]
    term = rep(group).canonical()[0]
    right, found = served(term, method, n_solves)
    assert not found
    assert isinstance(right.isometry, cls)
    name = _store_key(term, SolveOptions(method=method, **OPTIONS))
    _, certificate = BasisStore(place).load(name)
    assert served(term, method, n_solves)[1]
    P = right.isometry.to_dense()
    rng = np.random.default_rng(0)
    n_cases = 0
    for _ in range(5):
        for Q in damages(P, rng):
            wrapped = DenseIsometry(Q)
            if n_cases % 3 == 1:
                wrapped = DirectSumIsometry([(wrapped, 1)])
            if n_cases % 3 == 2:
                wrapped = Composition(DenseIsometry(np.eye(len(Q))), wrapped)
            n_cases += 1
            rewritten(place, name, wrapped, {**certificate, "rank": Q.shape[1]})
            solved, found = served(term, method, n_solves)
            assert not found
            np.testing.assert_allclose(solved.isometry.to_dense(), P, atol=1e-12)
    assert served(term, method, n_solves)[1]
    assert n_cases == 40


@pytest.mark.parametrize("kind", KINDS)
def test_other_signs_are_as_good_a_basis(place, n_solves, kind):
    _, rep, group, method = KINDS[kind]
    term = rep(group).canonical()[0]
    right, _ = served(term, method, n_solves)
    name = _store_key(term, SolveOptions(method=method, **OPTIONS))
    _, certificate = BasisStore(place).load(name)
    Q = right.isometry.to_dense().copy()
    Q[:, ::2] *= -1
    rewritten(place, name, DenseIsometry(Q), certificate)
    assert served(term, method, n_solves)[1]


def test_orbits_with_one_left_out(place, n_solves):
    term = (V**4)(S(4)).canonical()[0]
    right, _ = served(term, "orbits", n_solves)
    name = _store_key(term, SolveOptions(method="orbits", **OPTIONS))
    _, certificate = BasisStore(place).load(name)
    Q = right.isometry
    for k in range(Q.rank):
        labels = np.where(Q.labels == k, -1, Q.labels - (Q.labels > k))
        wrong = OrbitIsometry(labels, np.delete(Q.sizes, k))
        rewritten(place, name, wrong, {**certificate, "rank": wrong.rank})
        assert not served(term, "orbits", n_solves)[1]


@pytest.mark.parametrize("power", [2, 4])
def test_factors_with_an_irreducible_left_out(place, n_solves, power):
    term = (V**power >> V**power)(SO(3)).canonical()[0]
    right, _ = served(term, "schur", n_solves)
    name = _store_key(term, SolveOptions(method="schur", **OPTIONS))
    _, certificate = BasisStore(place).load(name)
    assert served(term, "schur", n_solves)[1]
    Q = right.isometry
    for mu in Q.units:
        units = {nu: J for nu, J in Q.units.items() if nu != mu}
        wrong = SchurIsometry(Q.left, Q.right, units)
        rewritten(place, name, wrong, {**certificate, "rank": wrong.rank})
        assert not served(term, "schur", n_solves)[1]


def test_entries_without_all_that_vouches_for_them(place, n_solves):
    term = (V**4)(S(4)).canonical()[0]
    right, _ = served(term, "orbits", n_solves)
    name = _store_key(term, SolveOptions(method="orbits", **OPTIONS))
    _, certificate = BasisStore(place).load(name)
    for field in certificate:
        lacking = {key: value for key, value in certificate.items() if key != field}
        for wrong in (lacking, {**certificate, field: [1]}):
            rewritten(place, name, right.isometry, wrong)
            assert not served(term, "orbits", n_solves)[1]
    rewritten(place, name, right.isometry, {**certificate, "rank": right.isometry.rank + 1})
    assert [problem.split(",")[0] for _, problem in BasisStore(place).verify()] == [
        f"its certificate is of rank {right.isometry.rank + 1}"
    ]
    assert not served(term, "orbits", n_solves)[1]


def test_an_older_solver_is_not_believed(place, n_solves, monkeypatch):
    term = (V**4)(S(4)).canonical()[0]
    with monkeypatch.context() as older:
        older.setattr(cache, "SOLVER_VERSION", cache.SOLVER_VERSION - 1)
        assert not served(term, "orbits", n_solves)[1]
        assert served(term, "orbits", n_solves)[1]
    assert not served(term, "orbits", n_solves)[1]


def test_a_warning_comes_with_the_basis_from_the_cache_and_from_the_disk(
    place, monkeypatch, n_solves
):
    monkeypatch.setattr(cache, "SMALL_GAP", 1.0)
    monkeypatch.setattr(cache, "looks_rounded", lambda C: True, raising=False)
    rep = (V**2)(SO(3))
    for forgotten in (True, True, False):
        if forgotten:
            clear_basis_cache()
        with pytest.warns(UserWarning, match="smallest nonzero singular value"):
            equivariant_basis(rep, method="dense", store=True)
    assert len(n_solves) == 1
    assert constraint(rep).shape[1] == 9


def test_no_warning_where_there_is_none(place):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            clear_basis_cache()
            equivariant_basis((V**2)(SO(3)), method="dense", store=True)
