import pytest
from django.contrib.auth.models import Permission, User
from django.db import connections
from django.test import Client

from django_site.commands.status import lines
from django_site.outbox.models import Entry as Row
from django_site.outbox.store import TableStore
from edge.outbox_store import Batch, Entry, Mark, Outcome, StoreError

pytestmark = pytest.mark.django_db(transaction=True)
PAGES = "/admin/outbox/entry/"


def entry(number, device="broker", body=b'{"type":"mqtt.send"}', **more):
    given = {"key": "t", "put_at": 1000.0, "expires_at": 1060.0, **more}
    return Entry(id=number, device=device, body=body, **given)


@pytest.fixture
def store():
    store = TableStore(keep=20)
    store.open()
    yield store
    store.close()


def states():
    return dict(Row.objects.order_by("pk").values_list("pk", "state"))


def test_what_is_written_is_read_in_order(store):
    store.write(Batch(puts=[entry(1, key="ä"), entry(2)]))
    store.write(Batch(puts=[entry(3)], marks=[Mark(2, Outcome.FAILED, "no", 5.0)]))
    assert [(each.id, each.key) for each in store.waiting()] == [(1, "ä"), (3, "t")]
    assert states() == {1: "waiting", 2: "failed", 3: "waiting"}
    assert TableStore().open()[0] == 3


def test_times_are_moved_for_what_waits_and_not_for_what_comes_with_it(store):
    store.write(Batch(puts=[entry(1)]))
    store.write(Batch(puts=[entry(2, put_at=6000.0)], shift=5000.0))
    assert [each.put_at for each in store.waiting()] == [6000.0, 6000.0]
    one = entry(1, put_at=7.0, expires_at=9.0)
    store.write(Batch(moved=[one]))
    assert [each.put_at for each in store.waiting()] == [7.0, 6000.0]


def test_a_database_that_could_lose_what_was_committed_is_not_used():
    store = TableStore()
    with connections["default"].cursor() as cursor:
        cursor.execute("PRAGMA synchronous=NORMAL")
    try:
        with pytest.raises(StoreError, match=r"synchronous 2 \(FULL\); the database has \('wal', 1\)"):
            store.open()
    finally:
        connections["default"].close()


def test_a_full_disk_is_told_in_words_and_nothing_of_the_batch_is_there(store):
    store.write(Batch(puts=[entry(1)]))
    with connections["default"].cursor() as cursor:
        cursor.execute("PRAGMA page_count")
        cursor.execute(f"PRAGMA max_page_count = {cursor.fetchone()[0] + 4}")
    with pytest.raises(StoreError, match=r"the disk is full \(.*make room"):
        store.write(Batch(puts=[entry(number, body=b"x" * 4000) for number in range(2, 30)]))
    assert states() == {1: "waiting"}
    store.write(Batch(puts=[entry(2)]))  # by a new connection, without that bound
    assert states() == {1: "waiting", 2: "waiting"}


def test_of_what_is_done_the_newest_are_kept_and_what_waits_is_never_trimmed(store):
    store.write(Batch(puts=[entry(number) for number in range(1, 201)]))
    store.write(Batch(marks=[Mark(number, Outcome.SENT, "", 1.0) for number in range(1, 101)]))
    store.write(Batch(marks=[Mark(number, Outcome.EXPIRED, "late", 1.0) for number in range(101, 151)]))
    kept = states()
    assert [number for number, state in kept.items() if state == "sent"] == list(range(81, 101))
    assert [number for number, state in kept.items() if state == "expired"] == list(range(131, 151))
    assert [number for number, state in kept.items() if state == "waiting"] == list(range(151, 201))


def test_the_second_copy_holds_whole_rows(store):
    store.write(Batch(puts=[entry(1)]))
    with connections["default"].cursor() as cursor:
        cursor.execute(
            "EXPLAIN QUERY PLAN SELECT id, device, key, event, put_at, expires_at FROM outbox_entry"
            " INDEXED BY outbox_waiting WHERE state = 'waiting' AND id >= 0 ORDER BY id"
        )
        (plan,) = cursor.fetchall()
    assert "COVERING INDEX outbox_waiting" in plan[3]


def test_the_admin_lists_what_waits_and_what_failed_with_the_reason(store, browser):
    store.write(Batch(puts=[entry(1, key="door"), entry(2, device="other")], marks=[]))
    store.write(Batch(marks=[Mark(2, Outcome.FAILED, "the broker refused it", 5.0)]))
    page = browser.get(PAGES).content.decode()
    assert "door" in page
    assert "the broker refused it" in page
    assert "1970-01-01 00:16:40" in page
    only = browser.get(PAGES, {"state__exact": "failed", "device": "other"}).content.decode()
    assert "door" not in only
    shown = browser.get(f"{PAGES}1/change/").content.decode()
    assert "mqtt.send" in shown
    assert browser.get(f"{PAGES}add/").status_code == 403


def test_what_failed_is_sent_again_with_a_whole_life(store, browser):
    store.write(Batch(puts=[entry(1), entry(2)]))
    store.write(Batch(marks=[Mark(1, Outcome.FAILED, "no", 5.0)]))
    answer = browser.post(PAGES, {"action": "send_again", "_selected_action": [1, 2]}, follow=True)
    assert "1 entry is sent again." in answer.content.decode()
    assert states() == {1: "waiting", 2: "waiting"}
    again, untouched = Row.objects.order_by("pk")
    assert again.put_at > 1_000_000
    assert again.expires_at - again.put_at == 60
    assert untouched.put_at == 1000.0


def test_who_may_only_look_can_neither_send_again_nor_delete(store, django_user_model: type[User]):
    store.write(Batch(puts=[entry(1)]))
    user = django_user_model.objects.create_user("looker", is_staff=True)
    user.user_permissions.add(Permission.objects.get(codename="view_entry"))
    client = Client()
    client.force_login(user)
    assert client.get(PAGES).status_code == 200
    client.post(PAGES, {"action": "send_again", "_selected_action": [1]})
    client.post(PAGES, {"action": "delete_selected", "_selected_action": [1], "post": "yes"})
    assert states() == {1: "waiting"}


def test_what_is_deleted_is_gone_from_the_second_copy_too(store, browser):
    store.write(Batch(puts=[entry(1), entry(2)]))
    browser.post(PAGES, {"action": "delete_selected", "_selected_action": [1], "post": "yes"})
    assert [each.id for each in store.waiting()] == [2]


def test_status_shows_the_outbox_of_a_device_that_used_it():
    device = {
        "name": "broker",
        "kind": "mqtt",
        "link": "mqtt://x",
        "state": "up",
        "text": "up",
        "since": 0.0,
        "heard": 0,
        "last_heard": None,
        "sent": 0,
        "refused": 0,
        "refusal": "",
        "routes": [],
        "outbox": {"waiting": 3, "sent": 2, "failed": 1, "expired": 0},
    }
    box = {"version": "0", "pid": 1, "started": 0.0, "problems": []}
    shown = lines({"box": box, "devices": [device]}, 1.0)
    assert "    outbox: 3 waiting, 2 sent, 1 failed, 0 expired" in shown
    device["outbox"] = {"waiting": 0, "sent": 0, "failed": 0, "expired": 0}
    assert not [line for line in lines({"box": box, "devices": [device]}, 1.0) if "outbox" in line]
