import pytest

from django_site import clock
from django_site.commands.status import lines


@pytest.mark.parametrize(
    ("there", "answer"),
    [(["keeper", "keeper/told"], True), (["keeper"], False), ([], None)],
    ids=["told", "not yet", "unknown"],
)
def test_the_clock_is_trusted_once_it_was_told_the_time(tmp_path, there, answer):
    for name in there:
        (tmp_path / name).mkdir()
    assert clock.trusted(tmp_path / "keeper/told", tmp_path / "keeper") is answer


@pytest.mark.parametrize(("trusted", "said"), [(True, False), (False, True), (None, False)])
def test_status_says_so_only_where_it_is_known_to_be_unsure(trusted, said):
    box = {"version": "1", "pid": 1, "started": 0.0, "problems": [], "clock_trusted": trusted}
    assert (f"? {clock.UNSURE}" in lines({"box": box, "devices": []}, now=1.0)) is said
