"""The sums behind the figures."""

from __future__ import annotations

import pytest

from bench.statistics import area_under_curve, percentile


def test_samples_that_never_overlap_are_told_apart() -> None:
    assert area_under_curve([3, 4, 5], [0, 1, 2])[0] == 1.0
    assert area_under_curve([0, 1, 2], [3, 4, 5])[0] == 0.0


def test_equal_samples_are_not_told_apart() -> None:
    area, low, high = area_under_curve([1, 2, 3] * 30, [1, 2, 3] * 30)
    assert area == pytest.approx(0.5) and low < 0.5 < high


def test_ties_count_half() -> None:
    assert area_under_curve([1, 2], [1, 3])[0] == pytest.approx(0.375)


def test_percentiles_are_values_of_the_sample() -> None:
    assert percentile([5, 1, 3], 0.5) == 3 and percentile([5, 1, 3], 0.99) == 5 and percentile([7], 0) == 7
