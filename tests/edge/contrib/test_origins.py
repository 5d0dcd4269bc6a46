import socket

from edge.contrib import origins


def came(topic="t", payload=b"x", *pairs):
    return {"topic": topic, "payload": payload, "properties": {"user_property": [list(pair) for pair in pairs]}}


def test_the_property_of_this_box_names_the_device():
    assert origins.of(came("t", b"x", ("edge-origin", origins.name("vhf")))) == "vhf"


def test_the_property_of_another_box_is_no_device_of_ours_though_it_has_the_same_name():
    assert origins.of(came("t", b"x", ("edge-origin", "vhf@elsewhere"))) == "vhf@elsewhere"
    assert socket.gethostname() != "elsewhere"


def test_what_this_box_published_is_known_without_a_property_and_nothing_else_is():
    origins.note("a/b", "text ü", "vhf")
    assert origins.of(came("a/b", "text ü".encode())) == "vhf"
    assert origins.of(came("a/c", "text ü".encode())) == ""
    assert origins.of(came("a/b", b"other")) == ""


def test_what_is_remembered_is_bounded():
    for number in range(origins.MAX_REMEMBERED + 10):
        origins.note("flood", str(number), "vhf")
    assert len(origins._published) == origins.MAX_REMEMBERED
    assert origins.of(came("flood", b"0")) == ""


def test_hostile_properties_are_passed_over():
    assert origins.of(came("t", b"y", ("edge-origin",), ("a", "b", "c"), ())) == ""
