"""Reps as text, in the form that ``parse_rep`` reads back."""

from itertools import groupby

from fastemlp.reps.algebra import ProductRep, SumRep, Vector


def rep_string(rep):
    """``"2V+5V0"`` for reps of one group (bound or not), with every group named when there are several."""
    return _sum_string(rep, name_groups=len(rep.groups) > 1)


def _sum_string(rep, name_groups):
    if not isinstance(rep, SumRep):
        return _product_string(rep, name_groups)
    if not rep.terms:
        return "0V0"
    return "+".join(
        ("" if n == 1 else str(n)) + _factor_string(part, name_groups, grouped=n > 1)
        for part, n in rep.terms
    )


def _factor_string(rep, name_groups, grouped):
    if isinstance(rep, SumRep):
        return f"({_sum_string(rep, name_groups)})"
    text = _product_string(rep, name_groups)
    return f"({text})" if grouped and ("*" in text or text[0].isdigit()) else text


def _product_string(rep, name_groups):
    factors = rep.factors if isinstance(rep, ProductRep) else (rep,)
    if not factors:
        return "V0"
    parts = []
    for atom, run in groupby(factors):
        parts.append(_power_string(atom, len(list(run)), name_groups))
    return _merge_mixed(parts, factors, name_groups)


def _power_string(atom, power, name_groups):
    # an irreducible that is all of a vector reads as that
    atom = getattr(atom, "whole", None) or atom
    if isinstance(atom, SumRep):
        return f"({_sum_string(atom, name_groups)})"
    symbol = getattr(atom, "symbol", None)
    if symbol:
        text = (f"{symbol}({atom.G!r})" if name_groups else symbol) + atom.suffix
        return text if power == 1 else f"{text}**{power}"
    if not isinstance(atom, Vector):
        return repr(atom) if power == 1 else f"{atom!r}**{power}"
    text = "V" if power == 1 else f"V{power}"
    if name_groups:
        text += f"({atom.G!r})"
    return text + (".T" if atom.dual else "") + (".conj()" if atom.conjugate else "")


def _merge_mixed(parts, factors, name_groups):
    """V..V V*..V* reads better as T(p,q)."""
    mixed = any(isinstance(a, Vector) and a.dual for a in factors)
    plain = all(isinstance(a, Vector) and not a.conjugate for a in factors)
    duals = [a.dual for a in factors if isinstance(a, Vector)]
    if mixed and plain and not name_groups and duals == sorted(duals):
        return f"T({duals.count(False)},{duals.count(True)})"
    return "*".join(parts)
