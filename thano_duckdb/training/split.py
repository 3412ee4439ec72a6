"""Chooses the rows that are held out for validation. Pure and seeded, hence reproducible."""

from __future__ import annotations

import heapq
import math
from array import array
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

_SHARE_IN_COMMON = 0.5


def connected_rows(n_rows: int, links: Iterable[tuple[int, int]]) -> list[list[int]]:
    """Groups of rows that must stay together: those that are linked, directly or by way of other rows.

    Args:
        n_rows: the number of rows.
        links: pairs of rows.

    Returns:
        The rows of each group in ascending order, groups by their first row.
    """
    parents = array("q", range(n_rows))

    def root(row: int) -> int:
        while parents[row] != row:
            parents[row] = row = parents[parents[row]]
        return row

    for pair in links:
        one, other = sorted(map(root, pair))
        parents[other] = one
    roots = np.fromiter(map(root, range(n_rows)), np.int64, n_rows)  # the first row of each group
    order = np.argsort(roots, kind="stable")
    bounds = [0, *(np.flatnonzero(np.diff(roots[order])) + 1).tolist(), n_rows]
    rows = order.tolist()
    return [rows[first:last] for first, last in pairwise(bounds) if first < last]


def equal_rows(values: NDArray[np.uint64]) -> Iterator[tuple[int, int]]:
    """Links between rows of the same value.

    Args:
        values: (n, columns), as in each row.
    """
    order = np.lexsort(values.T)
    same = np.flatnonzero((values[order[1:]] == values[order[:-1]]).all(axis=1))
    return zip(order[same].tolist(), order[same + 1].tolist(), strict=True)


def overlapping_parts(
    sources: NDArray[np.uint64], starts_s: NDArray[np.float64], stops_s: NDArray[np.float64]
) -> Iterator[tuple[int, int]]:
    """Links between parts of a recording of which one has half of the other.

    Segments that follow each other, with some margin around each, are not linked.

    Args:
        sources: (n, columns) the recording of each part.
        starts_s, stops_s: (n,) where the part starts and stops in seconds.
    """
    order = np.lexsort((starts_s, *sources.T))
    is_new = (sources[order[1:]] != sources[order[:-1]]).any(axis=1)
    open_rows: list[int] = []
    for position in np.flatnonzero(~is_new).tolist():  # the next one is of the same recording
        other, row = order[position : position + 2].tolist()
        if position == 0 or is_new[position - 1]:
            open_rows = [other]
        start_s, stop_s = float(starts_s[row]), float(stops_s[row])
        open_rows = [each for each in open_rows if stops_s[each] > start_s]
        for each in open_rows:
            shorter_s = min(stop_s - start_s, float(stops_s[each] - starts_s[each]))
            if min(stop_s, float(stops_s[each])) - start_s >= _SHARE_IN_COMMON * shorter_s:
                yield row, each
        open_rows.append(row)


def choose_held_out(groups: Sequence[Sequence[int]], share: float, seed: int) -> set[int]:
    """The rows of some of the groups, as near to `share` of all rows as whole groups allow.

    Args:
        groups: the rows of each group; two groups at least.
        share: of all rows, above 0 and below 1; at least one group is chosen, and never all.
        seed: for the choice among groups of the same size.
    """
    by_size: dict[int, list[Sequence[int]]] = defaultdict(list)
    for group in groups:
        by_size[len(group)].append(group)
    n_rows = sum(map(len, groups))
    sizes = sorted(by_size)
    totals = _reachable_totals([(size, len(by_size[size])) for size in sizes])
    wanted = min(max(1, round(share * n_rows)), n_rows - 1)
    left = next(total for total in _nearest_first(wanted, 1, n_rows - 1) if totals[-1] >> total & 1)
    random = np.random.default_rng(seed)
    held_out: set[int] = set()
    n_rows_left = n_rows
    for index in reversed(range(len(sizes))):  # each size gives its share, or as near as the other sizes allow
        size, of_size = sizes[index], by_size[sizes[index]]
        order = random.permutation(len(of_size))
        fair = left / n_rows_left * len(of_size) + random.uniform(-0.5, 0.5)  # so that each group has its chance
        at_most = min(len(of_size), left // size)
        n_chosen = next(n for n in _nearest_first(fair, 0, at_most) if totals[index] >> (left - n * size) & 1)
        for chosen in order[:n_chosen]:
            held_out.update(of_size[chosen])
        left -= n_chosen * size
        n_rows_left -= size * len(of_size)
    return held_out


def _nearest_first(wanted: float, lowest: int, highest: int) -> Iterator[int]:
    """The numbers from `lowest` to `highest`, those nearest to `wanted` first."""
    below = range(min(math.floor(wanted), highest), lowest - 1, -1)
    above = range(max(math.floor(wanted) + 1, lowest), highest + 1)
    return heapq.merge(below, above, key=lambda number: abs(number - wanted))


def _reachable_totals(groups: Sequence[tuple[int, int]]) -> list[int]:
    """Which totals some of the groups have.

    Args:
        groups: size and number of the groups of each size.

    Returns:
        For the first n sizes, n from 0 to all, a number whose bit t is set if some of these groups have t rows in all.
    """
    totals = [1]
    for size, n_groups in groups:
        bits, n_left, n_at_once = totals[-1], n_groups, 1
        while n_left:  # 1, 2, 4, .. groups at once and the rest: every number of groups is a sum of some of these
            n_at_once = min(n_at_once, n_left)
            bits |= bits << (size * n_at_once)
            n_left, n_at_once = n_left - n_at_once, 2 * n_at_once
        totals.append(bits)
    return totals
