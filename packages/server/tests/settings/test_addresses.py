import pytest
from cryptable_server.settings.addresses import is_loopback, join_address, split_address


@pytest.mark.parametrize(
    ("address", "pair"),
    [
        ("127.0.0.1:50051", ("127.0.0.1", 50051)),
        ("localhost:0", ("localhost", 0)),
        ("[::1]:80", ("::1", 80)),
        ("models.example.org:443", ("models.example.org", 443)),
    ],
)
def test_addresses_are_split_and_joined(address, pair):
    assert split_address(address) == pair
    assert join_address(*pair) == address


@pytest.mark.parametrize("address", ["", "localhost", ":80", "localhost:", "localhost:x", "::1:80", "a:-1", "a:²"])
def test_other_addresses_are_refused(address):
    with pytest.raises(ValueError, match="is not HOST:PORT"):
        split_address(address)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.9.1", "::1", "localhost"])
def test_loopback(host):
    assert is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "example.org", "localhost.example.org", ""])
def test_not_loopback(host):
    assert not is_loopback(host)
