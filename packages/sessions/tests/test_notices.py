"""One line of a kind a minute, with the number of those left out."""

import logging

import pytest

from levante.sessions import notices
from levante.sessions.notices import QUIET_SECONDS, Notices


@pytest.mark.hardening("S12", "S15")
def test_one_line_a_kind_and_a_count_of_the_rest(monkeypatch, caplog):
    now = [1000.0]
    monkeypatch.setattr(notices.time, "monotonic", lambda: now[0])
    told = Notices()
    with caplog.at_level(logging.WARNING, logger="levante.sessions"):
        for _ in range(5):
            told.warn("bad seal", "rejected (%s)")
        told.warn("expired", "rejected (%s)")
        now[0] += QUIET_SECONDS
        told.warn("bad seal", "rejected (%s)")
        told.warn("bad seal", "rejected (%s)")
        now[0] += QUIET_SECONDS
        told.warn("expired", "rejected (%s)")
    assert caplog.messages == [
        "rejected (bad seal)",
        "rejected (expired)",
        "rejected (bad seal); 4 more of this kind since the last such line",
        "rejected (expired)",
    ]
    assert {record.levelname for record in caplog.records} == {"WARNING"}
    assert {record.name for record in caplog.records} == {"levante.sessions"}
