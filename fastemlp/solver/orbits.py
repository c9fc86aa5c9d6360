"""The ``orbits`` strategy: nullspaces by counting, where every generator is monomial or diagonal."""

from __future__ import annotations

from fastemlp.orbits import fixed_space, readable

from .solution import NullspaceSolution


def orbits(C, *, tol=None, memory_budget=2**30, random_state=0, verbose=0):
    """Basis of ``{v : C v = 0}`` when every generator is monomial (discrete) or diagonal (Lie algebra).

    Parameters
    ----------
    C : TensorConstraint
    tol : float, optional
        Weights that add up to less than ``tol`` times the sum of the largest of each slot count as zero; default 1e-12,
        or ten times what the generators are known to.
    memory_budget : int
        Bytes allowed for the labels and phases.
    random_state, verbose
        Unused: nothing is drawn, nothing iterates.

    Returns
    -------
    NullspaceSolution
        Q is an OrbitIsometry with columns in the order of their first coordinate; real unless C is complex or a
        generator has entries other than 0 and ±1.

    Raises
    ------
    ValueError
        If a generator is neither, saying which; if the labels exceed the budget.
    ConvergenceError
        If weights are neither clearly zero nor clearly not.

    Notes
    -----
    Union-find over the m coordinates, O(m) for each of the M + D generators, 4 bytes a coordinate, 1 or 2 more if
    there are phases. DESIGN.md §2, fact 3.
    """
    found = fixed_space(C, *readable(C), tol, memory_budget)
    return NullspaceSolution(
        Q=found.Q,
        residual=found.residual,
        gap=found.gap,
        orthogonality=found.Q.orthogonality(),
        norm=found.norm,
        n_matvecs=0,
        strategy="orbits",
        accuracy=C.accuracy,
    )
