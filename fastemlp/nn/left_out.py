"""Which polynomials a network lacks a product for."""

from fastemlp.nn.bilinear import products


def left_out(blocks, features_in, features_out):
    """The products that equivariant polynomials of degrees 2 and 3 are made of and no layer has.

    Parameters
    ----------
    blocks : sequence of EMLPBlock
    features_in, features_out : Features of the network

    Returns
    -------
    dict {2: set of (int, int, int), 3: the same}
        Irreducibles of two factors and of their product. Without one of degree 2, some polynomials of that degree are
        out of reach; without one of degree 3, unless others make up for it.

    Notes
    -----
    Of degree 2: from two of the input to one of the output. Of degree 3, with two layers or more: from two of the input
    to a hidden one, and from that and one of the input to the output, one layer after the other. What gates and
    pointwise functions multiply is not missing.
    """
    missing = {2: set(), 3: set()}
    if not blocks:
        return missing
    hidden = blocks[-1].bilinear.features_in
    inputs, outputs = (
        {block.irreducible for block in features.blocks} for features in (features_in, features_out)
    )
    wanted = {
        path for path in products(hidden) if path[0] and not hidden.pointwise.issuperset(path)
    }
    made = [block.bilinear.made for block in blocks]
    second = {path for path in wanted if inputs.issuperset(path[:2])}
    last = {path for path in wanted if path[2] in outputs}
    missing[2] = (second & last).difference(*made)
    if len(blocks) > 1:
        early, late = set().union(*made[:-1]), set().union(*made[1:])
        for first in second:
            for then in last:
                if _follows(first, then, inputs):
                    missing[3] |= ({first} - early) | ({then} - late)
    return missing


def _follows(first, then, inputs):
    """Whether a product can be multiplied with an input in another."""
    i, j, _ = then
    return (first[2] == i and j in inputs) or (first[2] == j and i in inputs)
