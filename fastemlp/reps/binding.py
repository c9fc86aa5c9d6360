"""Which groups may act together: a rep is bound once, and no group acts beside a product that contains it."""

from fastemlp.groups import Group


def require_group(rep, G):
    """TypeError unless G is a Group; ValueError if a group acts on rep that is neither G nor a factor of it."""
    if not isinstance(G, Group):
        raise TypeError(f"{rep}: expected a Group to bind to, got {G!r}. Write rep(SO(3)).")
    _require_among(rep, (G,), "")


def require_independent(groups, where):
    """ValueError if one of some groups is a direct product with another as a factor: reps take them as independent."""
    for whole in groups:
        for part in groups:
            if part != whole and part in whole.factors:
                both = "*".join(f"V({factor!r})" for factor in whole.factors)
                raise ValueError(
                    f"{where}: {part!r} and {whole!r} act together, but reps take them as independent: the "
                    f"{part!r} inside the product would be another group. In place of V({whole!r}) write {both}, the "
                    "same space as a rep of the factors."
                )


def require_shared(rep_in, rep_out, where):
    """ValueError if the groups of inputs and outputs are disjoint, or mix a group with a product that contains it.

    Scalars alone, on which no group acts, go with any group.
    """
    groups = tuple(dict.fromkeys((*rep_in.groups, *rep_out.groups)))
    require_independent(groups, where)
    if rep_in.groups and rep_out.groups and not set(rep_in.groups) & set(rep_out.groups):
        raise ValueError(
            f"{where}: rep_in={rep_in} is bound to {_listed(rep_in.groups)} and rep_out={rep_out} to "
            f"{_listed(rep_out.groups)}, two independent groups: nothing transforms inputs and outputs together. "
            "Bind both to one group."
        )


def bind(rep, groups, where):
    """A rep with its unbound parts bound to the group given, where no other groups may act.

    Parameters
    ----------
    rep : Rep, bound or not
    groups : sequence of Group; with none anything may act, with several unbound parts stay unbound
    where : str; the start of an error message

    Raises
    ------
    ValueError
        If a group acts that is neither one of these nor a factor of one, or beside a product that contains it.
    """
    if groups:
        _require_among(rep, groups, f"{where}: ")
    if len(groups) == 1:
        rep = rep(groups[0])
    require_independent(rep.groups, where)
    return rep


def bind_ends(rep_in, rep_out, group, where):
    """The reps of inputs and outputs of a model, bound, and the groups that act: ``([rep_in, rep_out], groups)``.

    The groups are the factors, where the group given is a product and the reps are bound to its factors. Raises like
    ``bind`` and ``require_shared``.
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
