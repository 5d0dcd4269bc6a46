import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transports.codecs.aprs import device_table, devices
from transports.codecs.aprs.devices import REMEMBERED, identify

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(
    ("destination", "device"),
    [
        ("APDR15", {"vendor": "Open Source", "model": "APRSdroid", "class": "app"}),
        ("APDW16", {"vendor": "WB2OSZ", "model": "DireWolf"}),
        ("APDW16-3", {"vendor": "WB2OSZ", "model": "DireWolf"}),
        ("apdw16", {"vendor": "WB2OSZ", "model": "DireWolf"}),
        ("APALH1", {"vendor": "Retevis", "model": "Ailunce H1", "class": "ht"}),
        ("APALH7", {"vendor": "Retevis"}),
        ("APDI12", {"vendor": "Bela, HA5DI", "model": "DIXPRS", "class": "software"}),
        ("ID", None),
        ("", None),
        ("QQ1ABC", None),
        ("APZEDG", None),
    ],
)
def test_a_to_call_names_its_device(destination, device):
    assert identify(destination, b"!4903.50N/07201.75W-") == device


@pytest.mark.parametrize(
    ("info", "model"),
    [
        (b'`(_fn"Oj/`hello_0', "FT3D"),
        (b"`(_fn\"Oj/'hello|3", "TinyTrak3"),
        (b'`(_fn"Oj/`"4T}hello_0\r', "FT3D"),
        (b'`(_fn"Oj/]hello=', "TM-D710"),
        (b'`(_fn"Oj/]hello', "TM-D700"),
        (b'`(_fn"Oj/>hello^', "TH-D74"),
        (b'`(_fn"Oj/>', "TH-D7A"),
        (b'`(_fn"Oj/`hello??', None),
        (b'`(_fn"Oj/hello=', None),
        (b'`(_fn"Oj/', None),
        (b"`", None),
    ],
)
def test_mic_e_is_told_by_its_type_bytes_not_by_its_destination(info, model):
    device = identify("APDR15", info)
    assert (device and device["model"]) == model


def test_a_pattern_of_fewer_open_places_wins():
    assert devices._exactness("APAGW?") > devices._exactness("APAG??")
    assert identify("APAGW5", b">")["model"] == "AGWtracker"
    assert identify("APAG55", b">")["model"] == "AGate"


@given(st.text(max_size=12), st.binary(max_size=40))
def test_whatever_comes_is_a_device_or_none(destination, info):
    device = identify(destination, info)
    assert device is None or (device and device.keys() <= {"vendor", "model", "class"})


def test_what_is_remembered_is_bounded():
    for number in range(2 * REMEMBERED):
        identify(f"AP{number}", b">")
    assert devices._by_to_call.cache_info().currsize == REMEMBERED


def test_the_table_is_what_the_script_makes_of_a_file_of_this_form(tmp_path):
    source = tmp_path / "tocalls.yaml"
    source.write_text(
        """# a comment
---
classes:
 - class: wx
   shown: Weather station

mice:
 - suffix: "_\\""
   vendor: Yaesu
   model: FTM-350
   class: rig

micelegacy:
 - prefix: ">"
   suffix: "="
   vendor: Kenwood
   features:
     - messaging

tocalls:
 - tocall: APX???
   model: "Xastir"
   class: software

 - tocall: "APZ*"
   vendor: Unknown
   model: Experimental
""",
        encoding="utf-8",
    )
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "renew-devices", source], capture_output=True, text=True, check=True
    )
    made = {}
    exec(run.stdout, made)  # the module itself is what the script writes
    assert made["MIC_E"] == {'_"': ("Yaesu", "FTM-350", "rig")}
    assert made["MIC_E_OLD"] == {">=": ("Kenwood", "", "")}
    assert made["TO_CALLS"] == {"APX???": ("", "Xastir", "software")}
    assert "Attribution-ShareAlike" in made["__doc__"]
    assert "Attribution-ShareAlike" in device_table.__doc__


def test_a_file_of_another_form_stops_the_renewal(tmp_path):
    source = tmp_path / "tocalls.yaml"
    source.write_text("tocalls:\n  wrong\n")
    run = subprocess.run(
        [sys.executable, ROOT / "scripts" / "renew-devices", source], capture_output=True, text=True, check=False
    )
    assert run.returncode
    assert "line 2: expected a list, an entry or a field" in run.stderr
