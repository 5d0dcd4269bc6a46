import pytest

from tests.certificates import make_pair
from tests.scenarios.running import edge


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    return folder


def test_a_wrong_pair_is_said_by_check_and_by_the_doctor(data, tmp_path):
    (certificate, _), (_, key) = make_pair(tmp_path), make_pair(tmp_path, "other.example")
    names = {"EDGE_TLS_CERT": str(certificate), "EDGE_TLS_KEY": str(key)}
    checked = edge("check", data=data, **names)
    assert checked.returncode == 1
    assert f"error edge.E010: EDGE_TLS_CERT {certificate} and EDGE_TLS_KEY {key} do not belong" in checked.stdout
    examined = edge("doctor", data=data, **names)
    assert examined.returncode == 1
    assert f"error    https: EDGE_TLS_CERT {certificate} and EDGE_TLS_KEY {key} do not belong" in examined.stdout


def test_a_certificate_that_ends_and_a_key_that_all_may_read_are_warned_of(data, tmp_path):
    certificate, key = make_pair(tmp_path, days=3)
    names = {"EDGE_TLS_CERT": str(certificate), "EDGE_TLS_KEY": str(key)}
    key.chmod(0o644)
    checked = edge("check", data=data, **names)
    assert checked.returncode == 0
    assert f"warning edge.W010: HTTPS: your certificate {certificate} ends on" in checked.stdout
    examined = edge("doctor", data=data, **names)
    assert f"warning  https: HTTPS: your certificate {certificate} ends on" in examined.stdout
    assert f"everybody on this machine may read {key}" in examined.stdout
    assert f"→ sudo chmod o= {key}" in examined.stdout


def test_a_good_pair_is_said_with_its_names(data, tmp_path):
    certificate, key = make_pair(tmp_path)
    names = {"EDGE_TLS_CERT": str(certificate), "EDGE_TLS_KEY": str(key)}
    assert edge("check", data=data, **names).returncode == 0
    told = edge("doctor", data=data, **names).stdout
    assert "to no name of it the pages answer" in told
    assert "→ EDGE_ALLOWED_HOSTS=edge.example, and restart the box" in told
    assert f"ok       https: your certificate {certificate}, for edge.example, until" in told
    names["EDGE_ALLOWED_HOSTS"] = "edge.example"
    assert "to no name of it" not in edge("doctor", data=data, **names).stdout
