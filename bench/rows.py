"""The lines of the benchmark's table, and how the rounds of a measurement become one."""

from statistics import median


class Row:
    """One line of the table: what was measured, our value and the peers', and the target.

    `best` is ">=" or "<=": on which side of `target` the `figure`, a ratio or a share, has to be.
    `note` is a text beside the peers' values.
    """

    def __init__(self, work, ours, peers, figure, best, target, unit, note=""):
        self.work = work
        self.ours = ours
        self.peers = peers
        self.figure = figure
        self.best = best
        self.target = target
        self.unit = unit
        self.note = note

    @property
    def verdict(self):
        if self.figure is None:
            return "NOT RUN"
        met = self.figure >= self.target if self.best == ">=" else self.figure <= self.target
        return "PASS" if met else "MISSED"


def middle(outcomes, name, fact):
    """The median of one fact over the rounds, `None` where it was not to be had."""
    values = [facts[fact] for facts in outcomes.get(name, []) if facts[fact] is not None]
    return median(values) if values else None


def ratio(outcomes, ours, peer, fact):
    """The median over the rounds of ours to a peer's, each pair from one round."""
    pairs = zip(outcomes.get(ours, []), outcomes.get(peer, []))
    ratios = [mine[fact] / other[fact] for mine, other in pairs if mine[fact] and other[fact]]
    return median(ratios) if ratios else None


def values(outcomes, fact, but="ours"):
    """Each peer's median of a fact."""
    return {name: middle(outcomes, name, fact) for name in outcomes if name != but}


def against(outcomes, work, peer, fact, best, target, unit):
    """A row whose figure is the ratio to one peer."""
    figure = ratio(outcomes, "ours", peer, fact)
    work = "%s, against %s" % (work, peer)
    return Row(
        work, middle(outcomes, "ours", fact), values(outcomes, fact), figure, best, target, unit
    )


def absolute(outcomes, work, fact, best, target, unit):
    """A row whose figure is our own number."""
    figure = middle(outcomes, "ours", fact)
    return Row(work, figure, values(outcomes, fact), figure, best, target, unit)
