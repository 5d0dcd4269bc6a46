import os

import pytest

from django_site.tls import pairs
from django_site.tls.pairs import OwnFiles, read_pair, try_pair
from edge.errors import ConfigError
from tests.certificates import make_pair, openssl


@pytest.fixture
def pair(tmp_path):
    return make_pair(tmp_path)


def test_a_pair_is_read_and_can_be_used(pair):
    try_pair(read_pair(OwnFiles(*pair)), "these")


def test_a_key_of_another_certificate_is_said(pair, tmp_path):
    _, other = make_pair(tmp_path, "other.example")
    with pytest.raises(ConfigError, match="these do not belong together"):
        try_pair(read_pair(OwnFiles(pair[0], other)), "these")


def test_a_damaged_certificate_is_said(pair):
    text = pair[0].read_text().splitlines()
    pair[0].write_text("\n".join([text[0], *text[2:]]))
    with pytest.raises(ConfigError, match="these cannot be used"):
        try_pair(read_pair(OwnFiles(*pair)), "these")


@pytest.mark.parametrize(("certificate", "key"), [(True, False), (False, True)])
def test_one_file_without_the_other_is_said(pair, certificate, key):
    with pytest.raises(ConfigError, match=r"EDGE_TLS_\w+ is set and EDGE_TLS_\w+ is not"):
        read_pair(OwnFiles(pair[0] if certificate else None, pair[1] if key else None))


def test_each_file_that_cannot_be_one_is_named_with_its_setting(pair, tmp_path):
    certificate, key = pair
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    large = tmp_path / "large"
    large.write_bytes(bytes(pairs.LARGEST + 1))
    cases = [
        (tmp_path / "none", key, "EDGE_TLS_CERT: .*none cannot be read: No such file"),
        (fifo, key, "EDGE_TLS_CERT: .*fifo is not a file"),
        (tmp_path, key, "EDGE_TLS_CERT: .* cannot be read: Is a directory"),
        (large, key, "EDGE_TLS_CERT: .* more than 262,144 bytes"),
        (key, certificate, "EDGE_TLS_CERT: expected a certificate in PEM"),
        (certificate, certificate, "EDGE_TLS_KEY: expected a private key in PEM"),
    ]
    for one, other, words in cases:
        with pytest.raises(ConfigError, match=words):
            read_pair(OwnFiles(one, other))


def test_a_key_with_a_passphrase_is_not_asked_for(pair, tmp_path):
    locked = tmp_path / "locked"
    openssl("pkcs8", "-topk8", "-in", pair[1], "-passout", "pass:secret", "-out", locked)
    with pytest.raises(ConfigError, match="has a passphrase"):
        read_pair(OwnFiles(pair[0], locked))


def test_no_message_shows_a_key(pair, tmp_path):
    secret = pair[1].read_text().splitlines()[1]
    pair[0].write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    with pytest.raises(ConfigError) as caught:
        try_pair(read_pair(OwnFiles(*pair)), "these")
    assert secret not in str(caught.value)
