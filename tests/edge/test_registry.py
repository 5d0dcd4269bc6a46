import sys
from importlib.metadata import EntryPoint
from types import ModuleType

import pytest

from edge import registry
from edge.errors import ConfigError
from transports.catalog import APRS


@pytest.fixture
def offer(monkeypatch):
    """Give a function that offers entry points instead of those that are installed."""

    def offer(**groups):
        def entry_points(group):
            return tuple(EntryPoint(name, value, f"edge.{group}") for name, value in groups[group.split(".")[1]])

        monkeypatch.setattr(registry, "entry_points", entry_points)
        registry.kinds.cache_clear()
        registry.offered_consumers.cache_clear()

    yield offer
    registry.kinds.cache_clear()
    registry.offered_consumers.cache_clear()


def test_the_kinds_of_this_package_are_installed():
    assert {"serial", "ax25", "aprs", "mqtt"} <= set(registry.kinds())
    assert registry.kind("aprs") is APRS


def test_an_unknown_kind_lists_those_there_are():
    with pytest.raises(ConfigError, match=r"unknown kind 'lora'; installed are aprs, ax25, mqtt, serial"):
        registry.kind("lora")


def test_a_kind_imports_its_library_only_when_it_is_asked_for():
    assert APRS.options_type().__name__ == "AprsOptions"
    assert {"serial", "tcp"} < set(APRS.schemes)


def test_a_package_that_cannot_be_imported_leaves_the_other_kinds(offer, caplog):
    offer(transports=[("broken", "no.such.package:KIND"), ("aprs", "transports.catalog:APRS")])
    assert list(registry.kinds()) == ["aprs"]
    assert "the kind broken of no.such.package:KIND cannot be imported" in caplog.text


def test_consumers_are_offered_under_their_labels(offer):
    offer(consumers=[("Log_everything", "a.b:Log"), ("Chat", "c.d:Chat")])
    chat, log = registry.offered_consumers()
    assert (chat.path, chat.label) == ("c.d.Chat", "Chat")
    assert (log.path, log.label) == ("a.b.Log", "Log everything")


@pytest.mark.parametrize("path", ["transports.catalog:APRS", "transports.catalog.APRS"])
def test_an_import_string_has_two_forms(path):
    assert registry.import_string(path) is APRS


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("", "expected a path such as package.module.Name; got ''"),
        ("Name", "expected a path such as package.module.Name; got 'Name'"),
        ("module:", "expected a path such as"),
        (":Name", "expected a path such as"),
        (".relative.Name", "cannot import .relative"),
        ("no.such.module.Name", "no.such.module.Name: cannot import no.such.module: ModuleNotFoundError"),
        ("edge.gate.NoSuchThing", "edge.gate.NoSuchThing: edge.gate has no 'NoSuchThing'"),
    ],
)
def test_a_path_that_cannot_be_imported_says_which_part_is_missing(path, words):
    with pytest.raises(ConfigError, match=words.replace(".", r"\.").replace("(", r"\(")):
        registry.import_string(path)


@pytest.mark.parametrize("raised", ["ValueError('boom')", "SystemExit(3)"])
def test_a_module_that_raises_while_it_is_imported_is_told(tmp_path, monkeypatch, raised):
    (tmp_path / "raises_when_imported.py").write_text(f"raise {raised}\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(ConfigError, match=r"cannot import raises_when_imported: (ValueError: boom|SystemExit: 3)"):
        registry.import_string("raises_when_imported.Consumer")


def test_a_command_of_a_layer_above_is_called_by_its_path(monkeypatch):
    module = ModuleType("a_layer_above")
    module.run = lambda arguments: len(arguments)
    monkeypatch.setitem(sys.modules, "a_layer_above", module)
    assert registry.call_command("a_layer_above:run", ["one", "two"]) == 2


@pytest.mark.parametrize(
    ("link", "shown"),
    [
        ("serial:///dev/ttyUSB0", "serial:///dev/ttyUSB0"),
        ("mqtt://host:1883", "mqtt://host:1883"),
        ("mqtt://user@host", "mqtt://user@host"),
        ("mqtt://user:secret@host:1883", "mqtt://user:***@host:1883"),
        ("mqtt://user:sec@ret@host", "mqtt://user:***@host"),
        ("mqtt://user:sec/ret@host", "mqtt://user:***@host"),
        ("mqtt://:secret@host", "mqtt://:***@host"),
    ],
)
def test_a_link_is_shown_without_its_password(link, shown):
    assert registry.mask(link) == shown
    assert registry.Device(name="a", link=link, options=None, state={}).shown_link == shown
