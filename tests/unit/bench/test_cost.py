"""What a piece of work costs on Lambda."""

import pytest

from bench import cost


@pytest.mark.parametrize(("memory", "count"), [(1769, 1), (3538, 2), (5307, 3)])
def test_a_function_has_a_processor_for_each_1769_megabytes(memory: int, count: int) -> None:
    assert cost.processors(memory) == count


def test_a_thousand_requests_of_a_second_and_a_gigabyte_cost_the_listed_prices() -> None:
    usd = cost.usd_per_1000(1000, memory_mb=1024)
    assert usd == pytest.approx(1000 * cost.USD_PER_GB_SECOND + 1000 * cost.USD_PER_REQUEST)


def test_pictures_of_a_batch_are_no_requests() -> None:
    assert cost.usd_per_1000(0, requests=0) == 0
