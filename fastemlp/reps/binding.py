"""Which groups may act together: a rep is bound once, and a group is not mixed with a product that contains it."""

from fastemlp.groups import Group


def require_group(rep, G):
    """Refuse to take a bound rep for a rep of another group.

    Parameters
    ----------
    rep : Rep
    G : Group

    Raises
    ------
    TypeError
        If G is not a group.
    ValueError
        If a group acts on rep that is neither G nor a factor of G, where G is a product ``G1 * G2``.
    """
    if not isinstance(G, Group):
        raise TypeError(f"{rep}: expected a Group to bind to, got {G!r}. Write rep(SO(3)).")
    _require_among(rep, (G,), "")


def require_independent(groups, where):
    """Refuse groups of which one is a direct product that another is a factor of: as values they are independent.

    Raises
    ------
    ValueError
        Naming both, and how to write what was meant.
    """
    if len(groups) < 2:
        return
    for whole in groups:
        for part in groups:
            if part != whole and part in whole.factors:
                both = "*".join(f"V({factor!r})" for factor in whole.factors)
                raise ValueError(
                    f"{where}: {part!r} and {whole!r} act together, and as reps know nothing of each other: the "
                    f"{part!r} inside the product would be another, independent group. In place of V({whole!r}) "
                    f"write {both}, which is the same space with each group known by itself."
                )


def require_shared(rep_in, rep_out, where):
    """Refuse inputs and outputs that no common group acts on, unless one of them is made of scalars.

    Raises
    ------
    ValueError
        If the groups of both sides are disjoint, or mix a group with a product that contains it.
    """
    groups = tuple(dict.fromkeys((*rep_in.groups, *rep_out.groups)))
    require_independent(groups, where)
    if rep_in.groups and rep_out.groups and not set(rep_in.groups) & set(rep_out.groups):
        raise ValueError(
            f"{where}: rep_in={rep_in} is bound to {_listed(rep_in.groups)} and rep_out={rep_out} to "
            f"{_listed(rep_out.groups)}, two independent groups: nothing moves inputs and outputs together. "
            "Bind both to one group."
        )


def bind(rep, groups, where):
    """A rep with what is unbound bound to the one group there is, where nothing but the groups given may act.

    Parameters
    ----------
    rep : Rep, bound or not
    groups : sequence of Group; none at all asks for nothing, and of several none is chosen
    where : str; whose complaint an error is

    Raises
    ------
    ValueError
        If a group acts that is neither one of these nor a factor of one, or one together with a product of it.
    """
    if groups:
        _require_among(rep, groups, f"{where}: ")
    if len(groups) == 1:
        rep = rep(groups[0])
    require_independent(rep.groups, where)
    return rep


def bind_ends(rep_in, rep_out, group, where):
    """Inputs and outputs of one model, and the groups that act on it.

    Parameters
    ----------
    rep_in, rep_out : Rep, bound or not
    group : Group or sequence of Group
    where : str; whose complaint an error is

    Returns
    -------
    ends : list of two Rep
    groups : tuple of Group; the factors, where the group is a product that the reps know by its factors

    Raises
    ------
    ValueError
        As ``bind`` and ``require_shared``.
    """
    groups = (group,) if isinstance(group, Group) else tuple(dict.fromkeys(group))
    ends = [bind(rep, groups, where) for rep in (rep_in, rep_out)]
    require_shared(*ends, where)
    acting = {g for rep in ends for g in rep.groups}
    if len(groups) == 1 and acting and groups[0] not in acting:
        groups = tuple(dict.fromkeys(groups[0].factors))
    return ends, groups


def _require_among(rep, groups, where):
    known = {factor for group in groups for factor in (group, *group.factors)}
    strangers = [group for group in rep.groups if group not in known]
    if strangers:
        raise ValueError(
            f"{where}{rep} is bound to {_listed(strangers)}, not to {_listed(groups)}, which would be another, "
            f"independent group. Write the rep unbound (V instead of V({strangers[0]!r})) or bind it to "
            f"{_listed(groups)}; where several groups act, bind each part to its own and pass their product as the "
            "group."
        )


def _listed(groups):
    return ", ".join(map(repr, groups))
