"""The documentation is held true: what there is is documented, what is documented is there, and the samples run."""

import ast
import importlib
import inspect
import re
from dataclasses import replace
from pathlib import Path
from typing import get_type_hints

import pytest

from django_site import control
from django_site.commands import serve
from edge import (
    backoff,
    conversations,
    fanout,
    gate,
    lifespan,
    mailbox,
    messaging,
    registry,
    spec,
    supervisor,
    threads,
    worker,
)
from edge.cli import COMMANDS, FAILED, NOT_RUNNING, OK, REFUSED, USAGE
from edge.connected import carrier as connected_carrier
from edge.connected import lines as connected_lines
from edge.connected import link as connected_link
from edge.consumers import WebsocketConsumer, base, crossing, http, inbox, overlap, sse, streams
from edge.gate import Gate, Licence
from edge.layers import channel_layers, sync
from edge.legs import options_types
from edge.options import describe
from edge.registry import import_string, kinds, offered_consumers
from edge.routing import NOT_FOUND
from edge.status import State
from edge.testing import ConversationCommunicator, FeedCommunicator, WebsocketCommunicator
from transports import agwpe, entry, kiss_server, link_words, links, mqtt, mqtt_wire, profiles, stream, strict_toml, web
from transports.aprs import AprsSession
from transports.ax25 import Ax25Session
from transports.codecs import agwpe as agwpe_codec
from transports.entry import Entering, Pacing
from transports.options import MqttOptions
from transports.serial import SerialSession

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted([*ROOT.glob("*.md"), *DOCS.rglob("*.md"), *ROOT.glob("firmware_configs/**/*.md")])
BLOCK = re.compile(r"^```python( run)?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\]\(([^)\s]+)\)")


def text_of(name):
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(*, run=False):
    """Give the python blocks of all pages, or those that are marked to be run, with page and line."""
    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        for found in BLOCK.finditer(text):
            if found[1] or not run:
                line = text.count("\n", 0, found.start(2))
                yield pytest.param(found[2], id=f"{page.relative_to(ROOT)}:{line}")


def cells(text):
    """Give the rows of all tables, by their first cell."""
    rows = {}
    for line in text.splitlines():
        if line.startswith("| "):
            row = [cell.strip() for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))]
            rows.setdefault(row[0], []).append(row[1:])
    return rows


def mentions(text, name):
    return re.search(rf"`[^`\n]*(?<![\w]){re.escape(name)}(?![\w])[^`\n]*`", text) is not None


def section(text, heading):
    """Return a page's part below one heading, up to the next of its level or a higher one."""
    level = heading.partition(" ")[0]
    found = re.search(rf"^{re.escape(heading)}.*?$(.*?)(?=^#{{1,{len(level)}}} |\Z)", text, re.MULTILINE | re.DOTALL)
    assert found, f"there is no heading {heading!r}"
    return found[1]


def anchors(text):
    """Name the headings as GitHub does."""
    headings = re.findall(r"^#+ (.*)$", re.sub(r"^```.*?^```$", "", text, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def bounds(field):
    if field.choices:
        return " or ".join(f"`{value}`" for value, _ in field.choices)
    if field.type is bool:
        return "true or false"
    unit = " characters" if field.type is str else f" {field.unit}".rstrip()
    least = f"{int(field.minimum):,} to" if field.minimum is not None else "at most"
    return f"{least} {int(field.maximum):,}{unit}"


def default(field):
    if isinstance(field.default, bool):
        return str(field.default).lower()
    return f"`{field.default}`" if field.default != "" else "empty"


def assert_documented(fields, text):
    rows = cells(text)
    for field in fields:
        expected = [field.label, default(field), bounds(field)]
        assert [row[:3] for row in rows.get(f"`{field.name}`", ())] == [expected], f"{field.name}: {expected}"


@pytest.mark.parametrize("kind", kinds().values(), ids=lambda kind: kind.name)
def test_each_kind_is_documented_with_each_of_its_options(kind):
    part = section(text_of("docs/devices.md"), f"### `{kind.name}`: {kind.label}")
    assert kind.help in " ".join(part.split())
    assert mentions(part, kind.scope_type)
    assert all(mentions(part, scheme) for scheme in kind.schemes)
    fields = describe(kind.options_type())
    assert_documented(fields, part)
    assert cells(part).keys() - {"option", "---"} == {f"`{field.name}`" for field in fields}


@pytest.mark.parametrize("offered", offered_consumers(), ids=lambda offered: offered.label)
def test_each_consumer_that_is_offered_is_documented_with_its_options(offered):
    part = section(text_of("docs/devices.md"), "### Consumers that come with Edge")
    assert mentions(part, offered.path)
    consumer = import_string(offered.path)
    for scope_type in ("aprs", "mqtt", "ax25"):
        for options in options_types(consumer, scope_type):
            assert_documented(describe(options), part)


@pytest.mark.parametrize("scope", spec.SCOPES)
def test_each_event_of_each_scope_is_documented_with_its_fields(scope):
    rows = cells(section(text_of("docs/runtime.md"), f"### Scope `{scope}`"))
    assert rows.keys() - {"event", "---"} == {f"`{type_}`" for type_ in spec.SCOPES[scope]}
    for type_, shape in spec.SCOPES[scope].items():
        names = [name for name in get_type_hints(shape) if name != "type"]
        marked = [f"`{name}`" + ("?" if name in shape.__optional_keys__ else "") for name in names]
        assert rows[f"`{type_}`"][0][0] == (", ".join(marked) or "–")


def test_the_close_codes_are_documented():
    text = text_of("docs/runtime.md")
    assert all(re.search(rf"\b{int(code)}\b", text) for code in spec.CloseCode)


def test_each_state_and_each_counter_is_documented():
    text = text_of("docs/devices.md")
    assert all(f"`{state.value}`" in cells(text) for state in State)
    paced = Pacing(SerialSession("line"), 1.0)
    sessions = (Entering(paced, None, None), Ax25Session(), AprsSession())
    counted = {name for session in sessions for name in session.counters()}
    device = registry.Device(name="broker", link="mqtt://localhost", options=MqttOptions(), state={})
    counted |= mqtt.build(device).counters().keys()
    documented = set(re.findall(r"`(\w+)`", " ".join(cells(section(text, "## States")))))
    assert counted | {"failed_reads", "dropped"} == documented - {state.value for state in State}


def test_what_a_link_says_when_it_cannot_be_opened_is_explained():
    text = text_of("docs/devices.md")
    told = [*link_words._OPEN_WORDS.values(), *link_words._WRONG_WORDS.values(), link_words._OURS]
    assert [words for words in told if words.removeprefix("{name} ").partition(" {name}")[0] not in text] == []


def test_what_a_kiss_server_says_when_it_cannot_listen_is_explained():
    text = text_of("docs/kiss-server.md")
    told = kiss_server._OPEN_WORDS.values()
    assert [words for words in told if not all(part in text for part in re.split(r"{\w+}", words))] == []


def test_what_a_broker_says_when_it_refuses_is_explained():
    text = text_of("docs/devices.md")
    values = {"protocol": "5", "other": "3.1.1", "client_id": "…"}
    assert [words for words in mqtt_wire.REFUSALS.values() if words.format(**values) not in text] == []


LICENCE = Licence(device="vhf", allowed=True, callsign="QQ1ABC", needs_callsign=True)
STATUS = {"type": "aprs.send", "packet": {"format": "status", "text": "hello"}}
REFUSALS = [
    (replace(LICENCE, allowed=False), STATUS, 0),
    (replace(LICENCE, callsign=""), STATUS, 0),
    (replace(LICENCE, callsign="N0CALL"), STATUS, 0),
    (LICENCE, {**STATUS, "source": "QQ2XYZ"}, 0),
    (LICENCE, {**STATUS, "raw": b"frame"}, 0),
    (LICENCE, {**STATUS, "origin": "vhf"}, 0),
    (LICENCE, STATUS, 20),
]


@pytest.mark.parametrize(("licence", "event", "sent"), REFUSALS)
def test_what_the_gate_says_is_explained(licence, event, sent):
    guard = Gate(licence)
    for _ in range(sent):
        guard.passed(event, now=0.0)
    assert guard.refusal(event, now=0.0) in cells(section(text_of("docs/devices.md"), "## The transmit gate"))


def variables():
    """Find the names of the environment variables that are read, with the default where it is a number."""
    source = "\n".join(
        path.read_text(encoding="utf-8")
        for package in ("edge", "django_site")
        for path in (ROOT / package).rglob("*.py")
    )
    found = dict(re.findall(r'number\("(\w+)", ([\d_]+)\)', source))
    named = re.findall(r'(?:flag|words)\("(\w+)"|environ(?:\.get\(|\.setdefault\(|\[)"(\w+)"', source)
    return {name: "" for pair in named for name in pair if name} | found


def test_each_environment_variable_that_is_read_is_documented_with_its_default():
    rows = cells(section(text_of("docs/settings.md"), "## Environment variables"))
    found = variables()
    assert "EDGE_DATA" in found
    assert rows.keys() - {"variable", "---"} == {f"`{name}`" for name in found}
    for name, number in found.items():
        if number:
            assert rows[f"`{name}`"][0][1] == f"`{int(number)}`"


def test_the_settings_own_docstring_names_the_same_variables():
    stated = set(re.findall(r"^(EDGE_\w+)", text_of("django_site/settings.py"), re.MULTILINE))
    assert stated == {name for name in variables() if name.startswith("EDGE_")}


@pytest.mark.parametrize("name", COMMANDS)
def test_each_command_is_documented_with_its_options(name, capsys):
    rows = cells(section(text_of("docs/settings.md"), "## The command line"))
    row = next((row for row in rows if re.match(rf"`edge {name}\b", row)), None)
    assert row, f"edge {name} is not documented"
    with pytest.raises(SystemExit):
        import_string(COMMANDS[name].path)(["--help"])
    offered = set(re.findall(r"--[a-z][a-z-]+", capsys.readouterr().out))
    stated = set(re.findall(r"--[a-z][a-z-]+", row))
    assert stated <= offered, "it has no such option"
    if "…`" not in row:
        assert offered - {"--help", "--data"} <= stated


def test_each_exit_code_is_documented():
    rows = cells(section(text_of("docs/settings.md"), "## The command line"))
    assert all(str(code) in rows for code in (OK, FAILED, USAGE, NOT_RUNNING, REFUSED))


def public(module_name):
    module = importlib.import_module(module_name)
    if (listed := getattr(module, "__all__", None)) is not None:
        return list(listed)
    return [
        name
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (inspect.isclass(value) or inspect.isfunction(value))
        and (value.__module__, value.__name__) == (module_name, name)
    ]


MODULES = [
    f"edge.{name}"
    for name in (
        *("auth", "consumers", "db", "errors", "exceptions", "http", "layers", "lifespan"),
        *("middleware", "routing", "security", "sessions", "testing", "tokens", "worker"),
    )
]


@pytest.mark.parametrize("module_name", MODULES)
def test_each_public_name_is_documented(module_name):
    text = text_of("docs/runtime.md") + text_of("docs/from-channels.md")
    missing = [name for name in public(module_name) if not mentions(text, name)]
    assert not missing


NUMBERS = [
    ("runtime.md", f"holds | {mailbox.TRANSPORT_CAPACITY:,} events | {mailbox.LAYER_CAPACITY} messages"),
    ("runtime.md", f"within {mailbox.TRANSPORT_GRACE:g} s | reads at least one within {mailbox.LAYER_GRACE:g} s"),
    (
        "runtime.md",
        f"{mailbox.PATIENCE * mailbox.TRANSPORT_GRACE:g} s | within {mailbox.PATIENCE * mailbox.LAYER_GRACE:g} s",
    ),
    ("runtime.md", f"{mailbox.DRAIN:g} s for what was heard before"),
    ("runtime.md", f"It may take {base.GOODBYE:g} s."),
    ("runtime.md", f"at most {inbox.READ_AHEAD} messages are read"),
    ("runtime.md", f"out of a pool of {threads.MAX_THREADS}"),
    ("runtime.md", f"After {crossing.LANE} sends or {crossing.LANE_BYTES // 1024} KiB"),
    ("runtime.md", f"after {fanout.FIRST_WAIT:g} s, doubling up to {fanout.LONGEST_WAIT:g} s"),
    ("runtime.md", f"this one only, {overlap.OVERLAPPING} at once"),
    ("runtime.md", f"into its {streams.STREAM_CAPACITY} messages"),
    ("runtime.md", f"`max_body` bytes ({http.MAX_BODY:,};"),
    ("runtime.md", f"A comment every {sse.HEARTBEAT:g} s"),
    ("runtime.md", f"refused: HTTP 403, in a communicator the code {NOT_FOUND}"),
    ("runtime.md", f"pieces of {messaging.MAX_TEXT} bytes, at most {messaging.MAX_PIECES}"),
    ("runtime.md", f"{conversations.MAX_DIALOGUES} dialogues at once"),
    ("packet.md", f"| {connected_carrier.CROWDED_AT:,} bytes unacknowledged to one peer"),
    ("packet.md", f"| {connected_link.MAX_WAITING:,} bytes waiting for one peer"),
    ("packet.md", f"| {connected_carrier.BUSY_AT} things said that a consumer has not read"),
    ("packet.md", f"until {connected_carrier.READY_AT} are left"),
    ("packet.md", f"a line of {connected_lines.MAX_LINE:,} bytes"),
    ("packet.md", f"tried again every {connected_link.HOLD:g} s"),
    ("packet.md", f"have {gate.RESERVE} % more"),
    ("packet.md", f"round trip, {connected_link.SHORTEST_T1:g} to {connected_link.LONGEST_T1:g} s"),
    ("devices.md", f"may go on for {gate.RESERVE} % beyond it"),
    ("runtime.md", f"after {sync.TIMEOUT:g} s without an answer"),
    ("runtime.md", f"more than {lifespan.STOP_TIMEOUT:g} s, keeps no other"),
    ("runtime.md", f"finishes the jobs at hand, for at most {worker.STOP_TIMEOUT:g} s"),
    ("devices.md", f"after {backoff.SHORTEST:g} s at first, then after longer waits of up to {backoff.LONGEST:g} s"),
    ("devices.md", f"after {fanout.FIRST_WAIT:g} s, doubling up to {fanout.LONGEST_WAIT:g} s"),
    ("devices.md", f"{gate.KEY_UP:g} s for keying the transmitter"),
    ("devices.md", f"did not open within {links.OPEN_TIMEOUT:g} s"),
    ("devices.md", f"took nothing for {links.DRAIN_TIMEOUT:g} s"),
    ("devices.md", f"did not answer within {mqtt_wire.CONNECT_TIMEOUT:g} s"),
    ("network-tncs.md", f"within {links.DEAD_PEER} s, by probes"),
    ("network-tncs.md", f"does not answer within {agwpe.ANSWER:g} s is none"),
    ("network-tncs.md", f"announces more than {agwpe_codec.MAX_DATA:,} bytes"),
    (
        "devices.md",
        f"no AGWPE server answered within {agwpe.ANSWER:g} s; is it a port for KISS? Then the link is tcp://",
    ),
    ("kiss-server.md", f"{kiss_server.MAX_WAITING // 1024} KiB wait for it"),
    ("kiss-server.md", f"after {kiss_server.MAX_MISSED} in a row it is cut"),
    ("kiss-server.md", f"{kiss_server.BURST:g} frames at once, then {kiss_server.RATE:g} a second"),
    ("kiss-server.md", f"tried again every {kiss_server.RETRY:g} s"),
    ("profiles.md", f"Up to {entry.MAX_PACED} frames wait; who sends more is told"),
    (
        "profiles.md",
        f"A file has at most {profiles.MAX_FILE:,} bytes, a folder at most {profiles.MAX_PROFILES} profiles",
    ),
    ("profiles.md", f"a list at most {strict_toml.MAX_ITEMS} items"),
    ("profiles.md", f"and has {stream.LEAVING:g} seconds"),
    ("tnc/vr-n76.md", f"up to {entry.MAX_PACED} wait for their turn"),
    ("settings.md", f"| connections | {web.MAX_CONNECTIONS:,} |"),
    ("settings.md", f"| an idle HTTP connection | {web.KEEP_ALIVE} s |"),
    ("settings.md", f"| a WebSocket that answers no ping | {web.PING_TIMEOUT:g} s |"),
    ("settings.md", f"ping every {web.PING_INTERVAL:g} s"),
    ("settings.md", f"browsers get {serve.GRACE:g} s, devices and their consumers {supervisor.STOP_TIMEOUT:g} s"),
    ("settings.md", f"a path of more than {control.LONGEST_PATH} bytes"),
]


@pytest.mark.parametrize(("page", "words"), NUMBERS)
def test_a_number_is_the_codes_own(page, words):
    assert words in " ".join(text_of(f"docs/{page}").split())


def test_each_name_of_edge_that_is_documented_is_there():
    text = "\n".join(page.read_text(encoding="utf-8") for page in PAGES if page.name != "CHANGELOG.md")
    for path in sorted(
        set(re.findall(r"`((?:edge|transports|django_site)(?:\.(?!sqlite3|service|socket|env|toml)\w+)+)`", text))
    ):
        try:
            importlib.import_module(path)
        except ModuleNotFoundError:
            registry.import_string(path)


def test_each_file_that_is_named_is_there():
    for page in PAGES:
        named = re.findall(
            r"`((?:edge|transports|django_site|docs|scripts|systemd|tests|bench)/[\w./]*)`", page.read_text()
        )
        assert not [name for name in named if not (ROOT / name).exists()], page.name


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_each_link_of_a_page_leads_somewhere(page):
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        if "://" in link:
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        if anchor:
            assert anchor in anchors(target.read_text(encoding="utf-8")), link


def test_each_page_is_led_to():
    linked = "".join(page.read_text(encoding="utf-8") for page in PAGES)
    assert not [
        page.name for page in DOCS.glob("*.md") if f"{page.name})" not in linked and f"{page.name}#" not in linked
    ]


def test_lines_are_short_enough_to_read():
    for page in DOCS.glob("*.md"):
        long = [line for line in page.read_text().splitlines() if len(line) > 160 and not line.startswith("|")]
        assert not long, page.name


@pytest.mark.parametrize("code", list(blocks()))
def test_a_sample_can_be_compiled(code):
    compile(code, "sample", "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)


@pytest.fixture
def own_layers(monkeypatch):
    monkeypatch.setattr(channel_layers, "backends", {})


def run(code):
    names = {"__name__": "sample"}
    exec(compile(code, "sample", "exec", dont_inherit=True), names)
    return names


@pytest.mark.usefixtures("own_layers")
@pytest.mark.parametrize("code", list(blocks(run=True)))
async def test_a_sample_runs_and_its_own_tests_pass(code):
    names = run(code)
    for name, value in names.items():
        if name.startswith("test_"):
            result = value()
            if inspect.isawaitable(result):
                await result


def readme_blocks():
    return [found[2] for found in BLOCK.finditer(text_of("README.md"))]


@pytest.fixture
def chat():
    """The ChatConsumer exactly as the README prints it."""
    names = {"WebsocketConsumer": WebsocketConsumer, "__name__": "readme"}
    exec(compile(readme_blocks()[0], "README.md", "exec", dont_inherit=True), names)
    return names["ChatConsumer"].as_asgi()


PEERS = {
    "ax25": lambda app: ConversationCommunicator(app, "QQ1ABC-7", over="ax25"),
    "websocket": lambda app: WebsocketCommunicator(app, "/ws/chat/"),
    "aprs": lambda app: ConversationCommunicator(app, "QQ1ABC-7", over="aprs"),
    "mqtt": lambda app: ConversationCommunicator(app, "kitchen", over="mqtt"),
}


@pytest.mark.parametrize("peer", PEERS)
async def test_the_consumer_of_the_readme_runs_as_printed(chat, peer):
    talk = PEERS[peer](chat)
    assert await talk.connect() == (True, None)
    assert await talk.receive_from() == "[Welcome Anonymous!]"
    await talk.send_to(text_data="hello")
    assert await talk.receive_from() == "Anonymous: hello"
    await talk.send_to(text_data="/name Ada")
    assert await talk.receive_from() == "[set your username to Ada]"
    await talk.send_to(text_data="hello")
    assert await talk.receive_from() == "Ada: hello"
    await talk.disconnect()


@pytest.mark.usefixtures("own_layers")
async def test_the_ten_lines_of_the_readme_warn_of_frost():
    frost = FeedCommunicator(run(readme_blocks()[1])["Frost"].as_asgi(), "aprs")
    await frost.connect()
    await frost.hear(source="QQ1WX", format="weather", packet={"weather": {"temperature": -2.0}})
    event = await channel_layers["default"].receive("device.broker")
    assert event == {"type": "mqtt.send", "topic": "frost/QQ1WX", "payload": "-2.0"}
    await frost.disconnect()
