"""What a random sample says of all: a count or a total, with the interval that it lies in, 19 times out of 20. Pure."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

_Z = 1.96
"""Standard deviations on each side of the mean that hold 95 % of a normal distribution."""


@dataclass(frozen=True)
class Estimate:
    """A quantity; unknown where all three are None.

    Attributes:
        value: the best guess.
        low: it is hardly less.
        high: it is hardly more; None where nothing can be said.
    """

    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def is_exact(self) -> bool:
        """Whether it was counted, not guessed."""
        return self.value is not None and self.low == self.high

    def times(self, factor: float) -> Estimate:
        """The same in another unit."""
        return Estimate(*(None if each is None else each * factor for each in (self.value, self.low, self.high)))


def exactly(value: float) -> Estimate:
    """What is known."""
    return Estimate(value, value, value)


def count_of_all(n_found: int, n_sampled: int, n_all: int) -> Estimate:
    """How many of all have a property, where `n_found` of those that were looked at have it: Wilson's interval.

    >>> count_of_all(3, 100, 100).is_exact
    True
    >>> count_of_all(0, 1000, 100_000).high < 400
    True
    """
    if n_sampled >= n_all:
        return exactly(n_found)
    if not n_sampled:
        return Estimate()
    share = n_found / n_sampled
    n = n_sampled * (n_all - 1) / (n_all - n_sampled)  # the more of all were looked at, the less can be missed
    middle = (share + _Z**2 / (2 * n)) / (1 + _Z**2 / n)
    half = _Z / (1 + _Z**2 / n) * math.sqrt(share * (1 - share) / n + (_Z / (2 * n)) ** 2)
    low = max(n_found, n_all * (middle - half))
    high = min(n_all - (n_sampled - n_found), n_all * (middle + half))
    return Estimate(n_all * share, low, max(low, high))


def total_of_all(sampled: Sequence[float], n_all: int) -> Estimate:
    """The sum of a quantity that is never negative, by its values for those that were looked at.

    >>> total_of_all([1.0, 2.0, 3.0], 3)
    Estimate(value=6.0, low=6.0, high=6.0)
    """
    n = len(sampled)
    if n >= n_all:
        return exactly(math.fsum(sampled))
    if not n:
        return Estimate()
    value = n_all * math.fsum(sampled) / n
    if n == 1:
        return Estimate(value, sampled[0], None)
    error = statistics.stdev(sampled) * math.sqrt((1 - n / n_all) / n) * n_all
    half = _Z * (1 + 2 / (n - 1)) * error  # about Student's t
    return Estimate(value, max(math.fsum(sampled), value - half), value + half)
