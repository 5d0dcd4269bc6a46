import time
import types

import pytest

from django_site import box
from django_site.dashboard.history import newest_lines
from django_site.stations.recorder import PacketLog

pytestmark = pytest.mark.django_db(databases=["default", "history"])


@pytest.fixture
def log(monkeypatch):
    """The log of a box that runs in this process."""
    log = PacketLog()
    monkeypatch.setattr(box, "_current", types.SimpleNamespace(packets=log))
    return log


def hear(log, *sources):
    for source in sources:
        event = {"type": "aprs.receive", "source": source, "time": time.time(), "summary": f"{source} is here"}
        log.add("vhf", "heard", event)


def test_a_packet_is_in_the_history_before_its_batch_is_written(log):
    hear(log, "QQ1OLD")
    log.flush()
    hear(log, "QQ1NEW")
    assert [line.source for line in newest_lines(10)] == ["QQ1OLD", "QQ1NEW"]


def test_a_packet_that_is_written_while_one_looks_is_there_once(log, monkeypatch):
    hear(log, "QQ1OLD", "QQ1NEW")
    waiting = log.unwritten(10)
    log.flush()
    monkeypatch.setattr(log, "unwritten", lambda _count: waiting)
    assert [line.source for line in newest_lines(10)] == ["QQ1OLD", "QQ1NEW"]


def test_the_bound_holds_for_both_together(log):
    hear(log, "QQ1AAA", "QQ1BBB")
    log.flush()
    hear(log, "QQ1CCC")
    assert [line.source for line in newest_lines(2)] == ["QQ1BBB", "QQ1CCC"]


def test_without_a_box_the_history_is_what_is_written(monkeypatch):
    monkeypatch.setattr(box, "_current", None)
    assert newest_lines(10) == []
