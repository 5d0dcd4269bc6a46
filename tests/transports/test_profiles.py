"""Profiles as data: ours are valid, a person's own are found, and what is wrong is told with file and key."""

import dataclasses

import pytest

from edge.errors import ConfigError
from transports import profiles
from transports.codecs.kiss import PLAIN, Checksum, KissDialect
from transports.options import Ax25Options
from transports.profiles import Profile, load, parse
from transports.recognise import PortFacts, recognise
from transports.simulator.firmware import FAMILIES
from transports.tnc_profile import baud_of, dialect_of, option_problems

NEEDED = {
    *("kiss", "tnc2", "kantronics", "tnc-x", "tnc-pi", "ninotnc", "mobilinkd", "kenwood-d7", "kenwood-d710"),
    *("kenwood-d74", "scs-tracker", "arduino", "direwolf", "soundmodem"),
}
GOOD = """
label = "Mine"
help = "It is mine."

[line]
source = "measured"
baud = 4800

[kiss]
source = "measured"

[reports]
source = "measured"
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """Give a function that writes a profile of a person's own."""
    monkeypatch.setenv("EDGE_DATA", str(tmp_path))

    def write(name, text):
        path = tmp_path / "tnc" / name / "profile.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    return write


def test_ours_are_all_there_and_right():
    found = load()
    assert found.problems == ()
    assert found.by_name.keys() >= NEEDED
    assert found.by_name.keys() == {path.parent.name for path in profiles.shipped_folder().glob("*/profile.toml")}


def test_each_has_a_simulated_tnc_that_listens_at_its_speed():
    assert FAMILIES.keys() == load().by_name.keys()
    for name, make in FAMILIES.items():
        assert make().speed in (None, load().by_name[name].line.baud), name


def test_the_checksums_are_those_of_the_codec():
    assert set(profiles.CHECKSUMS) <= {checksum.value for checksum in Checksum}


def test_ours_are_shipped_with_the_package():
    import tomllib
    from pathlib import Path

    root = Path(__file__).parents[2]
    wheel = tomllib.loads((root / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["force-include"] == {"firmware_configs": "transports/firmware_configs"}


def test_a_persons_own_is_found_at_once_and_taken_instead_of_ours(own):
    assert "mine" not in load().by_name
    path = own("mine", GOOD)
    assert load().by_name["mine"].line.baud == 4800
    assert ("mine", "Mine") in profiles.choices()
    own("kantronics", GOOD)
    assert load().get("kantronics").label == "Mine"
    path.write_text(GOOD.replace("4800", "19200"))
    assert load().by_name["mine"].line.baud == 19200
    assert load() is load()


def test_a_persons_own_that_is_wrong_is_told_and_ours_is_not_taken_quietly(own):
    path = own("kantronics", GOOD.replace("4800", "30"))
    words = f"{path}: line.baud: expected at least 300; got 30"
    assert load().problems == (words,)
    with pytest.raises(ConfigError) as caught:
        load().get("kantronics")
    assert str(caught.value) == words
    assert load().get("tnc2").enter


def test_one_that_is_not_there_is_told_with_those_that_are():
    with pytest.raises(ConfigError, match=r"expected one of arduino, .*; got 'mine'"):
        load().get("mine")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("baud = 4800", "baud = 30", "line.baud: expected at least 300; got 30"),
        ("baud = 4800", "baud = 9e9", "line.baud: expected a whole number; got 9000000000.0"),
        ("baud = 4800", 'baud = "4800"', "line.baud: expected a whole number; got '4800'"),
        ("baud = 4800", "baud = true", "line.baud: expected a whole number; got True"),
        ("baud = 4800", "bauds = 4800", "line.bauds: expected a list; got 4800"),
        ("baud = 4800", "bauds = [4800, 3]", "line.bauds[2]: expected at least 300; got 3"),
        ("baud = 4800", "baud = 4800\nbauds = [300]", "line.baud: expected one of line.bauds (300); got 4800"),
        ("baud = 4800", "bauds = [" + "300," * 65 + "]", "line.bauds: expected a list of at most 64; got 65"),
        ("baud = 4800", "settle = nan", "line.settle: expected at least 0; got nan"),
        ("baud = 4800", "speed = 4800", "line.speed: unknown key; expected one of source, baud"),
        ('label = "Mine"', "", "label: expected text; it is missing"),
        ('label = "Mine"', 'label = ""', "label: expected at least 1 characters; got ''"),
        ('label = "Mine"', 'label = "Mine"\nname = "x"', "name: is not written into the file; the folder says it"),
        ('label = "Mine"', "label = ", "this is not TOML"),
        ('label = "Mine"', 'label = "Mine"\nline = 3', "this is not TOML"),
        ("[reports]\n", "[[signs]]\nsource = 'none'\n[reports]\n", "signs[1]: expected something to recognise it by"),
        (
            "[reports]\n",
            "[kiss.parameters]\ntxdelay = 3\n[reports]\n",
            "kiss.parameters.txdelay: expected a table; got 3",
        ),
        (
            "[reports]\n",
            "[kiss.parameters]\npersistence = { maximum = 300 }\n[reports]\n",
            "kiss.parameters.persistence: expected minimum <= default <= maximum <= 255; got 0, none, 300",
        ),
        (
            "[reports]\n",
            "[kiss.parameters]\ntxd = {}\n[reports]\n",
            "kiss.parameters.txd: unknown key; expected one of",
        ),
        ("[reports]\n", "[enter]\nsource = 'none'\nsteps = []\n[reports]\n", "enter.steps: expected at least one"),
        ("[reports]\n", "[enter]\nsteps = [{}]\n[reports]\n", "enter.source: expected text; it is missing"),
        *(
            ("[reports]\n", f"[enter]\nsource = 'none'\nsteps = [{{ {step} }}]\n[reports]\n", f"enter.steps[1]{words}")
            for step, words in [
                ("", ": expected send, wait or expect; it does nothing"),
                ("wait = 60", ".wait: expected at most 10; got 60"),
                ("wait = 1, expect = 'x'", ": expected wait or expect with within; got both"),
                ("send = '☺'", ": expected characters up to U+00FF, each for a byte"),
                (
                    "send = 'x', otherwise = 'panic'",
                    ".otherwise: expected one of fail, go on, done; got 'panic'",
                ),
            ]
        ),
        ("[kiss]\n", "[kiss]\nchecksums = []\n", "kiss.checksums: expected at least one, such as none"),
        ("[kiss]\n", "[kiss]\nchecksums = ['crc']\n", "kiss.checksums[1]: expected one of none, smack, xor"),
    ],
)
def test_what_is_wrong_is_told_with_file_key_what_was_expected_and_what_came(old, new, words):
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace(old, new), name="mine", path="/data/tnc/mine/profile.toml")
    assert str(caught.value).startswith("/data/tnc/mine/profile.toml: ")
    assert words in str(caught.value)


def test_everything_that_is_wrong_is_told_at_once():
    with pytest.raises(ConfigError) as caught:
        parse(GOOD.replace("4800", "3").replace('"Mine"', "5") + "battery = 1", name="mine", path="p")
    assert str(caught.value) == (
        "p: label: expected text; got 5; line.baud: expected at least 300; got 3; "
        "reports.battery: expected true or false; got 1"
    )


@pytest.mark.parametrize("name", ["Mine", "my tnc", "", "-", "x" * 41])
def test_a_folder_that_is_no_name_is_told(name):
    with pytest.raises(ConfigError, match="expected a folder named by 1 to 40 of a-z"):
        parse(GOOD, name=name, path="p")


def test_files_that_cannot_be_read_are_told_and_keep_nobody_from_the_others(own, tmp_path):
    own("large", "#" * 70_000)
    own("latin", "").write_bytes(b'label = "\xe9"')
    (tmp_path / "tnc" / "folder" / "profile.toml").mkdir(parents=True)
    own("mine", GOOD)
    told = "\n".join(load().problems)
    assert "large/profile.toml: expected at most 65,536 bytes; got 70,000" in told
    assert "latin/profile.toml: cannot be read" in told
    assert "folder/profile.toml: cannot be read" in told
    assert load().get("mine")


def test_a_folder_of_too_many_is_read_up_to_its_bound(own):
    for number in range(profiles.MAX_PROFILES + 5):
        own(f"p{number}", GOOD)
    assert any("expected at most 200 profiles" in problem for problem in load().problems)
    assert len(load().by_name) == 200 + len(list(profiles.shipped_folder().glob("*/profile.toml")))


def test_the_speed_is_the_persons_else_the_profiles():
    pi = load().get("tnc-pi")
    assert baud_of(Ax25Options(), load().get("kiss")) == 9600
    assert baud_of(Ax25Options(profile="tnc-pi"), pi) == 19200
    assert baud_of(Ax25Options(profile="tnc-pi", baud=1200), pi) == 1200


def test_options_that_do_not_go_with_the_profile_are_told():
    assert list(option_problems(Ax25Options(profile="tnc2", enter_kiss=True))) == []
    (words,) = option_problems(Ax25Options(profile="ninotnc", enter_kiss=True))
    assert words == "enter_kiss: NinoTNC is in KISS mode always, or by its own menu; turn this off"
    (words,) = option_problems(Ax25Options(profile="gone"))
    assert words.startswith("profile: expected one of arduino")
    (words,) = option_problems(Ax25Options(hardware="zz"))
    assert words.startswith("what the TNC is told: ")


def test_parameters_out_of_the_profiles_range_are_told(own):
    own("mine", GOOD + "[kiss.parameters]\ntxdelay = { minimum = 100, maximum = 500 }\nfull_duplex = { maximum = 0 }\n")
    assert list(option_problems(Ax25Options(profile="mine", txdelay=500, persistence=255))) == []
    (words,) = option_problems(Ax25Options(profile="mine", txdelay=90))
    assert words == "txdelay: expected 100 to 500 for Mine; got 90"


def test_the_dialect_is_the_profiles():
    assert dialect_of(load().get("kenwood-d710")) == KissDialect(escape_c=True)
    assert dialect_of(load().get("direwolf")) == PLAIN
    mine = parse(GOOD.replace("[kiss]", '[kiss]\nchecksums = ["smack", "none"]\nackmode = true'), name="mine", path="p")
    assert dialect_of(mine) == KissDialect(checksum=Checksum.SMACK, ackmode=True)


PORTS = [
    (PortFacts(vendor=0x0403, product=0xEBE0), ["tnc-x"], "USB id 0403:ebe0 (tnc-x.com"),
    (PortFacts(vendor=0x0403, product=0xD011), ["scs-tracker"], "USB id 0403:d011 (ftdi_sio_ids.h"),
    (PortFacts(vendor=0x2166, product=0x600B), ["kenwood-d74"], "USB id 2166:600b"),
    (PortFacts(vendor=0x2166, product=0x9023), ["kenwood-d74"], "USB id 2166:9023"),
    (PortFacts(by_id="usb-JVC_KENWOOD_TH-D74-if00"), ["kenwood-d74"], "by-id name 'usb-JVC_KENWOOD_TH-D74-if00'"),
    (PortFacts(vendor=0x04D8, product=0x00DD), ["ninotnc"], "others have the same, so look at the device"),
    (PortFacts(product_name="Mobilinkd TNC4"), ["mobilinkd"], "product name 'Mobilinkd TNC4'"),
    (PortFacts(vendor=0x2341, product=0x0043), ["arduino"], "USB id 2341:*"),
    (PortFacts(vendor=0x10C4, product=0xEA60), ["kenwood-d710"], "others have the same"),
    (
        PortFacts(vendor=0x10C4, product=0xEA60, by_id="usb-Kenwood_TH-D72-if00"),
        ["kenwood-d710"],
        "by-id name 'usb-Kenwood_TH-D72-if00'",
    ),
    (PortFacts(vendor=0x0403, product=0x6001), [], ""),
    (PortFacts(), [], ""),
]


@pytest.mark.parametrize(("port", "names", "why"), PORTS)
def test_a_port_is_recognised_with_the_reason(port, names, why):
    found = recognise(port)
    assert [profile.name for profile, _ in found] == names
    assert all(why in words for _, words in found)


def test_the_surest_comes_first_and_each_profile_once():
    sign = "[[signs]]\nvendor = 1\nsource = 'seen'\n"
    sure = parse(GOOD + sign, name="sure", path="p")
    surer = parse(GOOD + sign + "product = 2\nserial = 'A*'\n" + sign, name="surer", path="p")
    doubtful = parse(GOOD + sign + "sure = false\n", name="doubtful", path="p")
    port = PortFacts(vendor=1, product=2, serial="a7")
    found = recognise(port, {one.name: one for one in (doubtful, sure, surer)})
    assert [profile.name for profile, _ in found] == ["surer", "sure", "doubtful"]
    assert found[0][1] == "USB id 0001:0002 and serial number 'a7' (seen)"


def test_a_profile_is_frozen():
    with pytest.raises(dataclasses.FrozenInstanceError):
        load().get("kiss").label = "x"
    assert isinstance(load().get("kiss"), Profile)
