"""Reading reps from text, for ``rep_in="2V+5V0"``, grid searches and the command line."""

import ast
import re

from fastemlp.groups import parse_group
from fastemlp.reps.algebra import Scalar, T, V
from fastemlp.reps.base import Rep
from fastemlp.reps.cosets import regular
from fastemlp.reps.named import P, axial, det

_NAMED = {
    "P": P,
    "pseudoscalar": P,
    "det": det,
    "axial": axial,
    "pseudovector": axial,
    "regular": regular,
}
_SUPERSCRIPTS = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹", "0123456789")
_FAILURES = (SyntaxError, ValueError, TypeError, AttributeError, RecursionError, MemoryError)
_MOST_FACTORS = 1000
_GRAMMAR = (
    "Write sums and products of V, Vk or Tk (k-th tensor power), V0 or Scalar, T(p,q), V.T, P, det, axial or regular, "
    "with counts in front: '2V+5V0', '3*V*V.T+T(1,2)', 'V2(SO(3))*V(S(4))'."
)


def parse_rep(text, group=None):
    """The rep that a string describes, bound to ``group`` if given.

    Parameters
    ----------
    text : str
        For example ``"2V+5V0"``: two vectors and five scalars; ``P`` is a pseudoscalar, ``axial`` a pseudovector,
        ``det`` a determinant, ``regular`` the regular rep of a finite group. ``str(rep)`` is read back.
    group : Group, optional

    Raises
    ------
    ValueError
        If the text is not a rep; the message says which part is not understood.

    Examples
    --------
    >>> parse_rep("2V+5V0") == 2 * V + 5 * Scalar
    True
    """
    if not isinstance(text, str):
        raise TypeError(f"parse_rep: expected a str, got {text!r}.")
    # a count written without *: 2V -> 2*V, 3(V+V0) -> 3*(V+V0)
    source = re.sub(r"\b(\d+)\s*(?=[A-Za-z(])", r"\1*", text.translate(_SUPERSCRIPTS))
    try:
        rep = _evaluate(ast.parse(source.strip().replace("^", "**"), mode="eval").body)
    except _FAILURES as error:
        raise ValueError(f"parse_rep: cannot read {text!r}: {error}. {_GRAMMAR}") from error
    if not isinstance(rep, Rep):
        raise ValueError(f"parse_rep: {text!r} is not a rep. {_GRAMMAR}")
    return rep if group is None else rep(group)


def _evaluate(node):
    match node:
        case ast.Constant(value=int(value)):
            return value
        case ast.Name(id="Scalar"):
            return Scalar
        case ast.Name(id=name) if name in _NAMED:
            return _NAMED[name]
        case ast.Name(id=name) if re.fullmatch(r"[VT]\d+|V", name):
            return V ** _exponent(int(name[1:] or 1))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return _evaluate(left) + _evaluate(right)
        case ast.BinOp(left=left, op=ast.Mult(), right=right):
            return _evaluate(left) * _evaluate(right)
        case ast.BinOp(left=left, op=ast.Pow(), right=right):
            return _evaluate(left) ** _exponent(_evaluate(right))
        case ast.BinOp(left=left, op=ast.RShift(), right=right):
            return _evaluate(left) >> _evaluate(right)
        case ast.Attribute(value=value, attr="T"):
            return _evaluate(value).T
        case ast.Call(func=ast.Attribute(value=value, attr="conj"), args=[], keywords=[]):
            return _evaluate(value).conj()
        case ast.Call(func=ast.Name(id="T"), args=[p], keywords=[]):
            return T(_exponent(_evaluate(p)))
        case ast.Call(func=ast.Name(id="T"), args=[p, q], keywords=[]):
            return T(_exponent(_evaluate(p)), _exponent(_evaluate(q)))
        case ast.Call(func=func, args=[group], keywords=[]):
            return _evaluate(func)(parse_group(ast.unparse(group)))
    raise ValueError(f"{ast.unparse(node)!r} is not understood")


def _exponent(value):
    # text may come from anywhere, and a power is stored as a tuple of its factors
    if isinstance(value, int) and value > _MOST_FACTORS:
        raise ValueError(f"a product of {value} factors is too long, the most is {_MOST_FACTORS}")
    return value
