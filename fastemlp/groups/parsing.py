"""Read a group from its name, without ever evaluating code."""

import ast

from fastemlp.groups import classical as lie
from fastemlp.groups import finite, products
from fastemlp.groups.group import Group, direct_product

_FUNCTIONS = [
    *(lie.Trivial, lie.SO, lie.O, lie.SO2eR3, lie.O2eR3, lie.Scaling, lie.SL, lie.GL),
    *(lie.U, lie.SU, lie.Sp, lie.Parity, lie.TimeReversal, lie.Lorentz),
    *(lie.SO13p, lie.SO13, lie.O13, lie.SO11p, lie.O11),
    *(finite.C, finite.D, finite.DkeR3, finite.Z, finite.S, finite.A),
    *(finite.Cube, finite.InvertedCube, finite.RubiksCube, finite.ZksZnxZn),
    *(products.Embed, products.WreathProduct, products.SemiDirectProduct),
]
_CATALOGUE = {function.__name__: function for function in _FUNCTIONS}
_FAILURES = (SyntaxError, ValueError, TypeError, ArithmeticError, RecursionError, MemoryError)
_LONGEST = 10_000


def parse_group(text):
    """Read a group from text such as ``"SO(3)*S(4)"`` or ``"Embed(SO(2), 3, slice(0, 2))"``.

    Parameters
    ----------
    text : str
        Catalogue names applied to integers, lists of integers, ``slice(…)`` and groups, joined by
        ``*``. ``parse_group(repr(G)) == G`` for every group of the catalogue.

    Returns
    -------
    Group

    Raises
    ------
    TypeError
        If text is not a str.
    ValueError
        If text is not such an expression, or an argument does not suit its group.

    Notes
    -----
    The text is parsed and walked, never evaluated; only the catalogue can be reached.
    """
    if not isinstance(text, str):
        raise TypeError(f"parse_group: expected a str such as 'SO(3)*S(4)', got {text!r}.")
    try:
        if len(text) > _LONGEST:
            raise ValueError(f"the text is longer than {_LONGEST} characters")
        value = _read(ast.parse(text.strip(), mode="eval").body)
        if not isinstance(value, Group):
            raise ValueError("it is not a group")
    except _FAILURES as error:
        reason = "it is not an expression" if isinstance(error, SyntaxError) else str(error)
        raise ValueError(
            f"parse_group: cannot read {text[:200]!r}: {reason.rstrip('.') or type(error).__name__}. "
            f"Write for example 'SO(3)*S(4)'. Known names: {', '.join(sorted(_CATALOGUE))}."
        ) from error
    return value


def _read(node):
    if isinstance(node, ast.Constant) and (node.value is None or type(node.value) is int):
        return node.value
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _read(node.operand)
        if type(value) is int:
            return -value
    if isinstance(node, (ast.List, ast.Tuple)):
        return [_read(item) for item in node.elts]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        # a chain of factors is one product: made pair by pair, its generators would be made again for each factor
        operands, first = [], node
        while isinstance(first, ast.BinOp) and isinstance(first.op, ast.Mult):
            operands.append(first.right)
            first = first.left
        factors = [_read(operand) for operand in (first, *reversed(operands))]
        if all(isinstance(factor, Group) for factor in factors):
            return direct_product(factors)
    if isinstance(node, ast.Call):
        return _read_call(node)
    raise ValueError(f"{ast.unparse(node)!r} is not allowed here")


def _read_call(node):
    arguments = [_read(argument) for argument in node.args]
    keywords = {keyword.arg: _read(keyword.value) for keyword in node.keywords}
    function = node.func
    if isinstance(function, ast.Attribute) and function.attr == "realified":
        group = _read(function.value)
        if isinstance(group, Group) and not arguments and not keywords:
            return group.realified()
    if isinstance(function, ast.Name) and None not in keywords:
        if function.id == "slice" and not keywords:
            return slice(*arguments)
        if function.id in _CATALOGUE:
            return _CATALOGUE[function.id](*arguments, **keywords)
    raise ValueError(f"{ast.unparse(function)!r} is not the name of a group")
