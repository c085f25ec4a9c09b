"""The few sums that the figures need."""

from __future__ import annotations

import math
from collections.abc import Sequence

__all__ = ["area_under_curve", "percentile"]


def percentile(values: Sequence[float], share: float) -> float:
    """Nearest rank; ``share`` between 0 and 1."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, max(0, math.ceil(share * len(ordered)) - 1))]


def area_under_curve(first: Sequence[float], second: Sequence[float]) -> tuple[float, float, float]:
    """How well one number tells two samples apart: the probability that one of ``first`` is above one of ``second``,
    with its 95 % confidence interval (Hanley and McNeil, Radiology 143, 1982). 0.5: not at all."""
    ranked: list[tuple[float, int]] = sorted([(value, 0) for value in first] + [(value, 1) for value in second])
    rank_sum = 0.0
    position = 0
    while position < len(ranked):
        end = position
        while end < len(ranked) and ranked[end][0] == ranked[position][0]:
            end += 1
        middle = (position + 1 + end) / 2  # ties share their mean rank
        rank_sum += middle * sum(1 for _, which in ranked[position:end] if which == 0)
        position = end
    n, m = len(first), len(second)
    area = (rank_sum - n * (n + 1) / 2) / (n * m)
    q1, q2 = area / (2 - area), 2 * area**2 / (1 + area)
    error = math.sqrt((area * (1 - area) + (n - 1) * (q1 - area**2) + (m - 1) * (q2 - area**2)) / (n * m))
    return area, area - 1.96 * error, area + 1.96 * error
