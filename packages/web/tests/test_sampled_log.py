import logging

import pytest

from levante.web.sampled_log import SampledLog


@pytest.mark.hardening("X7")
def test_one_line_a_second_of_each_kind(caplog: pytest.LogCaptureFixture) -> None:
    now = 100.0
    log = SampledLog(logging.getLogger("test.sampled"), clock=lambda: now)
    for _ in range(1000):
        log.tell("a", "refused %s", "one")
        log.tell("b", "full")
    now = 101.5
    log.tell("a", "refused %s", "two")
    now = 103.0
    log.tell("a", "refused %s", "three")
    assert [record.getMessage() for record in caplog.records] == [
        "refused one",
        "full",
        "refused two (and 999 more since the last line)",
        "refused three",
    ]
