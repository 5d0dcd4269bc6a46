import asyncio

import pytest

from edge.delivery import Delivery, Way
from edge.errors import LinkLost, LocalProtocolError
from edge.outbox import Outbox
from edge.outbox_store import Outcome
from tests.edge.outboxes import Clock, Rows, message, publish, until


class Link:
    """A link that a test looks at: what was sent, whether the far side confirms, and what the gate says."""

    def __init__(self):
        self.sent = []
        self.confirms = asyncio.Event()
        self.confirms.set()
        self.faults = {}
        self.never = self.later = ""

    async def transmit(self, event):
        self.sent.append(event)
        await self.confirms.wait()
        if fault := self.faults.get(event.get("topic")):
            raise fault
        return ""

    @property
    def way(self):
        return Way(never=lambda _: self.never, later=lambda _: self.later, transmit=self.transmit)

    @property
    def payloads(self):
        return [event["payload"] for event in self.sent]

    @property
    def ids(self):
        return [event["packet"]["id"] for event in self.sent]


@pytest.fixture
def rows():
    return Rows()


@pytest.fixture
async def outbox(rows):
    made = Outbox(rows, **Clock().options())
    await made.open()
    yield made
    await made.close()


@pytest.fixture
async def up(outbox):
    tasks = []

    def up(link, device="broker", **more):
        delivery = Delivery(device, "QQ1EDG", outbox, **{"gaps": (0.01, 0.01, 10.0), "pause": 0.01, **more})
        tasks.append(task := asyncio.create_task(delivery.run(link.way)))
        return delivery, task

    yield up
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def answer(kind, number, source="QQ1ABC", addressee="QQ1EDG"):
    packet = {"addressee": addressee, "id": number}
    return {"type": "aprs.receive", "source": source, "format": kind, "packet": packet}


async def test_what_waited_goes_out_in_order_and_what_comes_follows(outbox, rows, up):
    for number in range(3):
        await outbox.put("broker", publish("t", number_text := f"{number}", properties={"content_type": number_text}))
    link = Link()
    up(link)
    await until(lambda: link.payloads == ["0", "1", "2"])
    await outbox.put("broker", publish("t", "3"))
    await until(lambda: rows.states() == ["sent"] * 4)
    assert link.payloads == ["0", "1", "2", "3"]


async def test_the_next_of_a_topic_waits_for_the_confirmation_and_other_topics_do_not(outbox, up):
    link = Link()
    link.confirms.clear()
    up(link)
    for topic in ("a", "a", "b"):
        await outbox.put("broker", publish(topic, topic))
    await until(lambda: link.payloads == ["a", "b"])
    link.confirms.set()
    await until(lambda: link.payloads == ["a", "b", "a"])


async def test_what_was_not_confirmed_when_the_link_went_is_sent_first_by_the_next(outbox, rows, up):
    for number in range(3):
        await outbox.put("broker", publish("t", f"{number}"))
    link = Link()
    link.faults["t"] = LinkLost("gone")
    _, task = up(link)
    await until(lambda: link.payloads == ["0"])
    task.cancel()
    await asyncio.wait([task])
    again = Link()
    up(again)
    await until(lambda: rows.states() == ["sent"] * 3)
    assert again.payloads == ["0", "1", "2"]


async def test_what_cannot_be_sent_has_failed_with_the_reason_and_keeps_nobody_back(outbox, rows, up):
    link = Link()
    link.faults = {"bad": LocalProtocolError("the broker refused it"), "bug": RuntimeError("oh")}
    for topic in ("bad", "bug", "good"):
        await outbox.put("broker", publish(topic))
    up(link)
    await until(lambda: rows.states() == ["failed", "failed", "sent"])
    assert rows.reasons() == ["the broker refused it", "an error in Edge itself: RuntimeError: oh"]


async def test_what_cannot_be_read_any_more_has_failed(outbox, rows, up):
    await outbox.put("broker", publish())
    outbox.of("broker").keys["t"][0].body = b"\x00garbage"
    up(Link())
    await until(lambda: rows.states() == ["failed"])
    assert "it cannot be read" in rows.reasons()[0]


async def test_the_gate_fails_what_may_never_pass_and_holds_what_is_too_much_now(outbox, rows, up):
    link = Link()
    link.later = "20 frames in the last minute"
    await outbox.put("vhf", {"type": "aprs.send", "info": b">on"})
    up(link, "vhf")
    await asyncio.sleep(0.05)
    assert not link.sent
    link.later = ""
    await until(lambda: rows.states() == ["sent"])
    link.never = "transmitting is off"
    await outbox.put("vhf", {"type": "aprs.send", "info": b">on"})
    await until(lambda: rows.states() == ["sent", "failed"])
    assert rows.reasons() == ["transmitting is off"]


async def test_a_message_is_tried_until_the_peer_acknowledges(outbox, rows, up):
    link = Link()
    delivery, _ = up(link, "vhf")
    await outbox.put("vhf", message())
    await until(lambda: len(link.sent) == 3)
    assert link.ids == ["Q0010"] * 3
    delivery.hear(answer("ack", "Q0010", source="QQ2XYZ"))
    delivery.hear(answer("ack", "Q0020"))
    delivery.hear(answer("ack", "Q0010", addressee="QQ9ZZZ"))
    delivery.hear({"type": "aprs.report"})
    assert rows.states() == ["waiting"]
    delivery.hear(answer("ack", "Q0010"))
    delivery.hear(answer("ack", "Q0010"))
    await until(lambda: rows.states() == ["sent"])


async def test_an_acknowledgement_that_an_igate_brought_or_that_rides_on_a_message_counts(outbox, rows, up):
    link = Link()
    delivery, _ = up(link, "vhf")
    await outbox.put("vhf", message())
    await until(lambda: link.sent)
    inner = {"source": "qq1abc", "packet": {"format": "ack", "fields": {"addressee": "QQ1EDG", "id": "Q0010"}}}
    delivery.hear({"type": "aprs.receive", "source": "QQ9GAT", "format": "third-party", "packet": inner})
    await until(lambda: rows.states() == ["sent"])
    own = message()
    own["packet"]["id"] = "M1"
    await outbox.put("vhf", own)
    await until(lambda: "M1" in link.ids)
    riding = {"addressee": "QQ1EDG", "id": "AA", "text": "yes", "reply_ack": "M1"}
    delivery.hear({"type": "aprs.receive", "source": "QQ1ABC", "format": "message", "packet": riding})
    await until(lambda: rows.states() == ["sent", "sent"])


async def test_a_message_that_is_refused_or_never_acknowledged_has_failed_and_the_next_has_its_turn(outbox, rows, up):
    link = Link()
    delivery, _ = up(link, "vhf", gaps=(0.01, 0.01))
    await outbox.put("vhf", message(text="one"))
    await outbox.put("vhf", message(text="two"))
    await until(lambda: rows.states() == ["failed", "failed"])
    assert rows.reasons() == ["no acknowledgement of QQ1ABC after 2 tries"] * 2
    assert link.ids == ["Q0010", "Q0010", "Q0020", "Q0020"]
    await outbox.put("vhf", message("QQ2XYZ"))
    await until(lambda: len(link.sent) == 5)
    delivery.hear(answer("reject", "Q0030", source="QQ2XYZ"))
    await until(lambda: rows.states() == ["failed"] * 3)
    assert rows.reasons()[2] == "QQ2XYZ refused it"


async def test_a_long_message_goes_in_pieces_each_acknowledged(outbox, rows, up):
    link = Link()
    delivery, _ = up(link, "vhf", gaps=(10.0,))
    await outbox.put("vhf", message(text="word " * 20))
    for piece in range(2):
        await until(lambda piece=piece: len(link.sent) == piece + 1)
        assert rows.states() == ["waiting"]
        delivery.hear(answer("ack", f"Q001{piece}"))
    await until(lambda: rows.states() == ["sent"])


async def test_a_message_whose_time_is_over_amid_its_tries_expires(outbox, rows, up):
    link = Link()
    up(link, "vhf", gaps=(0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 10.0))
    await outbox.put("vhf", message(expires=60))
    await until(lambda: link.sent)
    outbox.of("vhf").keys["QQ1ABC"][0].deadline = 0.0
    await until(lambda: rows.states() == ["expired"])
    assert outbox.of("vhf").done[Outcome.EXPIRED] == 1


async def test_many_topics_share_the_link_a_bounded_number_at_a_time(outbox, rows, up):
    link = Link()
    link.confirms.clear()
    await asyncio.gather(*(outbox.put("broker", publish(f"t/{number}")) for number in range(100)))
    up(link)
    await until(lambda: len(link.sent) == 32)
    await asyncio.sleep(0.02)
    assert len(link.sent) == 32
    link.confirms.set()
    await until(lambda: rows.states() == ["sent"] * 100)
