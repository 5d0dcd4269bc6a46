"""The lab itself, judged by Direwolf's own tools: who hears whom, who does not, and that nothing is left behind."""

import pytest

from tests.radio.lab import PROGRAMS, RadioLab
from tests.scenarios.running import left_behind, short_folder

pytestmark = pytest.mark.needs(*PROGRAMS)


def test_stations_hear_those_they_are_joined_to_and_a_digipeater_joins_those_that_are_hidden(radio):
    lab = radio("A-B B-C")
    a, c = lab.station("A"), lab.station("C")
    lab.station("B", "DIGIPEAT 0 0 ^WIDE[3-7]-[1-7]$ ^WIDE[12]-[12]$")
    a.transmit(">hidden from C", path=("WIDE1-1",))
    assert c.heard(r"QQ1TST-1>APZSIM,(.*):>hidden from C")[1] == "QQ1LAB-2*"
    assert "QQ1TST-1>APZSIM,WIDE1-1:" not in c.said


def test_a_path_that_is_cut_carries_nothing_and_the_way_back_still_does(radio):
    lab = radio("A-B")
    a, b = lab.station("A"), lab.station("B")
    lab.cut("A", "B")
    a.transmit(">into the void")
    b.transmit(">still here", source="QQ1TST-2")
    a.heard(r"QQ1TST-2>APZSIM:>still here")
    assert "QQ1TST-1" not in b.said


def test_nothing_is_left_behind_even_when_a_story_fails():
    with short_folder() as folder:
        with pytest.raises(ZeroDivisionError), RadioLab(folder, "A-B") as lab:
            lab.station("A")
            raise ZeroDivisionError
        assert left_behind(folder) == []
