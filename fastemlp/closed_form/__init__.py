"""Fits in closed form: polynomials, laws of few terms, and kernels of invariants, chosen by what they predict."""

from fastemlp.closed_form.choice import ClosedForm, fit_closed_form
from fastemlp.closed_form.leave_one_out import LeaveOneOutRidge
from fastemlp.closed_form.many import fit_to_many
from fastemlp.closed_form.polynomials import PolynomialFeatures

__all__ = ["ClosedForm", "LeaveOneOutRidge", "PolynomialFeatures", "fit_closed_form", "fit_to_many"]
