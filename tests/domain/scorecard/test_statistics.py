"""The statistics of the scorecard agree with what is known of small samples."""

from __future__ import annotations

import numpy as np
import pytest

from demo_pipeline.domain.scorecard.columns import local_clock, local_day, month_of, month_text
from demo_pipeline.domain.scorecard.statistics import (
    auc,
    categories,
    cramers_v,
    ranks,
    separability,
    shuffled,
    spearman,
    two_sided,
)
from tests.builders.scorecard_rows import instant


def test_ranks_share_ties() -> None:
    """Equal values have the mean of their ranks."""
    assert ranks(np.array([10, 20, 20, 5])).tolist() == [2, 3.5, 3.5, 1]


def test_spearman_of_known_columns() -> None:
    """1 for the same order whatever the values, -1 for the reverse, none for a constant."""
    assert spearman(np.array([1, 2, 3, 4]), np.array([1, 10, 100, 1000])) == pytest.approx(1)
    assert spearman(np.array([1, 2, 3, 4]), np.array([4, 3, 2, 1])) == pytest.approx(-1)
    assert spearman(np.array([1, 2, 3, 4, 5]), np.array([2, 1, 4, 3, 5])) == pytest.approx(0.8)
    assert spearman(np.array([1, 1, 1]), np.array([1, 2, 3])) is None


def test_auc_of_known_scores() -> None:
    """The share of pairs in which the second group has the higher score; a tie counts half."""
    is_second = np.array([False, False, True, True])
    assert auc(np.array([1.0, 2.0, 3.0, 4.0]), is_second) == 1
    assert auc(np.array([1.0, 3.0, 2.0, 4.0]), is_second) == 0.75
    assert auc(np.array([1.0, 1.0, 1.0, 1.0]), is_second) == 0.5


def test_a_lot_is_a_permutation_by_its_key() -> None:
    """The same key gives the same order, another key another one."""
    first = shuffled(1000, 1)
    assert np.array_equal(np.sort(first), np.arange(1000))
    assert np.array_equal(first, shuffled(1000, 1))
    assert abs(spearman(first, shuffled(1000, 2)) or 0) < 0.1
    assert abs(spearman(first, np.arange(1000)) or 0) < 0.1


def test_separability_of_equal_and_of_different_samples() -> None:
    """About one half where both are drawn alike; far above where one feature tells them apart."""
    same = [np.stack([shuffled(2000, key) % 7, shuffled(2000, key + 9) % 3], axis=1) for key in (1, 2)]
    assert separability(same[0], same[1]) < 0.54
    other = same[1].copy()
    other[::2, 0] = 6
    assert separability(same[0], other) > 0.65


def test_categories_keep_few_values_and_class_many() -> None:
    """Few values are their own categories; many become ten of about equal size."""
    assert categories(np.array(["b", "a", "b"])).tolist() == [1, 0, 1]
    classes = categories(np.arange(1000))
    assert np.bincount(classes).tolist() == [100] * 10


def test_the_chance_of_a_distance() -> None:
    """Certain at what is expected, about five per cent at two standard deviations."""
    assert two_sided(10, 10, 4) == 1
    assert two_sided(10 + 0.5 + 1.96 * 2, 10, 4) == pytest.approx(0.05, abs=0.001)
    assert two_sided(1, 1, 0) is None


def test_cramers_v_of_known_tables() -> None:
    """1 where the row decides, 0 where it does not."""
    assert cramers_v(np.array([[100, 0], [0, 100]])) == pytest.approx(1, abs=0.01)
    assert cramers_v(np.array([[50, 50], [50, 50]])) == 0
    assert cramers_v(np.array([[50, 50]])) is None


def test_instants_in_a_time_zone() -> None:
    """Weekday, hour and day are those of the clock on the wall, summer time included."""
    winter, summer = np.array([instant(0, 8, 23.5)]), np.array([instant(6, 9, 22.5)])
    assert [one.tolist() for one in local_clock(winter, "Europe/Berlin")] == [[3], [0]]
    assert [one.tolist() for one in local_clock(summer, "Europe/Berlin")] == [[3], [0]]
    assert (local_day(winter, "Europe/Berlin") - local_day(winter, "UTC")).tolist() == [1]
    assert month_text(int(month_of(winter)[0])) == "2025-01"
