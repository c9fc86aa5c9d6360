"""What a network holds and multiplies, in words."""

from fastemlp.nn.left_out import left_out
from fastemlp.nn.network import EMLPBlock, Network


def explain_model(model):
    """Print what a model is made of: its closed form, and of its network what layers hold, reach and multiply.

    Parameters
    ----------
    model : Network, or a fitted FastEMLPRegressor

    Raises
    ------
    TypeError
        For anything else.

    Notes
    -----
    Irreducibles go by their size, with a prime for each other one of that size; 1 is the invariant one. Where the group
    is not reductive, types stand in their place. ``3 × 5 -> 3: 4`` are four products of a copy of each, which every
    copy of the target weighs. ``fastemlp.nn.expressiveness`` counts what all this can express.

    Examples
    --------
    >>> from fastemlp.groups import O
    >>> from fastemlp.nn import EMLP
    >>> from fastemlp.reps import V
    >>> explain_model(EMLP(V**2, V**2, O(3), channels=64, n_layers=1))
    V2 -> V2 of O(3): 809 parameters
    layer 1: 32 × 1, 5 × 3, 4 × 5
      linear maps reach 1, 3, 5; products reach 1, 3, 5
      3 × 3 -> 1: 10
      5 × 5 -> 1: 4
      1 × 3 -> 3: 7
      1 × 5 -> 5: 4
      3 × 3 -> 3: 5
      3 × 3 -> 5: 2
      3 × 5 -> 3: 1
      3 × 5 -> 5: 1
      5 × 5 -> 3: 1
      5 × 5 -> 5: 1
    """
    network, form = getattr(model, "network_", model), getattr(model, "closed_form_", None)
    if not isinstance(network, Network):
        raise TypeError(
            "explain_model: expected a Network or a fitted FastEMLPRegressor, got "
            f"{type(model).__name__}. Call fit first."
        )
    groups = ", ".join(map(repr, dict.fromkeys((*network.rep_in.groups, *network.rep_out.groups))))
    ends = f"{network.rep_in} -> {network.rep_out} of {groups or 'no group'}"
    print(f"{ends}: {network.n_parameters:,} parameters")
    _print_layers(network)
    if form is not None:
        share = model.network_share_
        adds = f"the network adds {share:.2g} of its output" if share else "the network is left out"
        print(f"closed form: {form}; {adds}")


def _print_layers(network):
    blocks = [layer for layer in network.layers if isinstance(layer, EMLPBlock)]
    if not blocks:
        return
    names = _names(blocks[-1].bilinear.features_in)
    for k, block in enumerate(blocks, 1):
        print("\n".join(_lines(block, k, names)))
    for degree, products in left_out(blocks, network.features_in, network.features_out).items():
        if products:
            missing = ", ".join(_product(path, names) for path in sorted(products))
            print(f"polynomials of degree {degree} lack {missing}")


def _names(features):
    """{irreducible: its name}."""
    names, seen = {0: "1"}, {1: 1}
    for block in features.blocks:
        if block.irreducible:
            primes = seen.setdefault(block.dim, 0)
            seen[block.dim] += 1
            names[block.irreducible] = f"{block.dim}{primes * chr(39)}"
    return names


def _product(path, names):
    return "{} × {} -> {}".format(*(names[irreducible] for irreducible in path))


def _lines(layer, number, names):
    blocks = layer.features_out.blocks

    def listed(irreducibles):
        return ", ".join(names[i] for i in sorted(irreducibles)) or "nothing"

    held = ", ".join(f"{block.mult} × {names[block.irreducible]}" for block in blocks)
    yield f"layer {number}: {held}"
    bilinear = layer.bilinear
    yield f"  linear maps reach {listed(bilinear.live)}; products reach {listed(bilinear.reached)}"
    counts = {}
    for path in bilinear.paths:
        counts[path.irreducibles] = counts.get(path.irreducibles, 0) + path.n
    for path, n in counts.items():
        yield f"  {_product(path, names)}: {n}"
