"""A worker is missing unless Flower lists it as online."""

from __future__ import annotations

from filter.flower import missing_workers


def test_missing_workers() -> None:
    listed = {"celery@worker1": True, "celery@worker2": False, "celery@other": True}
    assert missing_workers(["worker3", "worker2", "worker1"], listed) == ["worker2", "worker3"]
