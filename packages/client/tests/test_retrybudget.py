"""How many retries there may be."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from levante.client import RetryBudget, retrybudget

ORIGIN = URL("http://one.test")
OTHER = URL("http://other.test")


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parity("U6")
def test_a_tenth_of_the_requests() -> None:
    budget = RetryBudget(per_second=0, burst=1, clock=Clock())
    assert budget.withdraw(ORIGIN)
    granted = 0
    for _ in range(1000):
        budget.deposit(ORIGIN)
        granted += budget.withdraw(ORIGIN)
    assert 98 <= granted <= 100
    assert budget.withdraw(OTHER), "one origin does not spend what is another's"


@pytest.mark.parity("U6")
def test_some_for_those_that_ask_for_little() -> None:
    clock = Clock()
    budget = RetryBudget(per_second=0.5, burst=2, clock=clock)
    assert [budget.withdraw(ORIGIN) for _ in range(3)] == [True, True, False]
    clock.now += 2
    assert [budget.withdraw(ORIGIN) for _ in range(2)] == [True, False]
    clock.now += 1000
    assert budget.tokens(ORIGIN) == 2


@pytest.mark.hardening("X20")
@given(
    st.lists(st.tuples(st.floats(0, 3), st.booleans()), max_size=200),
    st.floats(0, 1), st.floats(0, 2), st.floats(1, 20),
)  # fmt: skip
def test_never_more_than_promised(
    steps: list[tuple[float, bool]], ratio: float, per_second: float, burst: float
) -> None:
    clock = Clock()
    budget = RetryBudget(ratio, per_second=per_second, burst=burst, clock=clock)
    retried = 0
    for made, (pause, asks) in enumerate(steps, 1):
        clock.now += pause
        budget.deposit(ORIGIN)
        retried += asks and budget.withdraw(ORIGIN)
        assert retried <= burst + ratio * made + per_second * (clock.now - 100.0) + 1e-6


def test_origins_are_not_kept_for_ever() -> None:
    budget = RetryBudget(clock=Clock())
    for number in range(retrybudget.MAX_ORIGINS + 5):
        budget.withdraw(URL(f"http://{number}.test"))
    assert len(budget._buckets) == retrybudget.MAX_ORIGINS
    assert budget.tokens(URL("http://0.test")) == retrybudget.BURST
    assert budget.tokens(URL("http://900.test")) == retrybudget.BURST - 1


@pytest.mark.parametrize("wrong", [{"ratio": -1}, {"per_second": -1}, {"burst": 0.5}])
def test_numbers_that_make_no_sense(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="burst >= 1"):
        RetryBudget(**wrong)
