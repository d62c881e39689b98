import ipaddress
import re

import pytest

from dialtone.platform.addresses import check_url, may_connect


@pytest.mark.parametrize(
    "address", ["93.184.215.14", "8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_public_addresses_are_allowed(address: str) -> None:
    assert may_connect(ipaddress.ip_address(address), allow_private=False)


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.255.0.9", "10.1.2.3", "172.16.0.1", "172.31.255.255", "192.168.1.1", "100.64.0.1"),
        *("::1", "fd12::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "2002:7f00:1::", "64:ff9b::a00:1"),
    ],
)
def test_private_addresses_need_the_setting(address: str) -> None:
    assert not may_connect(ipaddress.ip_address(address), allow_private=False)
    assert may_connect(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize(
    "address",
    [
        *("169.254.169.254", "fe80::1", "fe80::1%eth0", "::ffff:169.254.169.254", "fd00:ec2::254", "100.100.100.200"),
        *("168.63.129.16", "192.0.0.192", "0.0.0.0", "::", "224.0.0.1", "ff02::1", "240.0.0.1", "255.255.255.255"),
        *("192.0.2.1", "198.18.0.1", "2001:db8::1", "fec0::1", "2002:a9fe:a9fe::"),
    ],
)
def test_metadata_multicast_and_reserved_addresses_are_never_allowed(address: str) -> None:
    assert not may_connect(ipaddress.ip_address(address), allow_private=False)
    assert not may_connect(ipaddress.ip_address(address), allow_private=True)


@pytest.mark.parametrize(
    "url",
    [
        "https://hooks.example.com/a?b=c",
        "http://example.com:8080",
        "https://8.8.8.8/",
        "https://[2606:4700::1111]/x",
        "https://bücher.example/",
        "https://7.example.com/",
    ],
)
def test_ordinary_urls_pass(url: str) -> None:
    check_url(url, allow_private_addresses=False)


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("ftp://example.com/", "http or https URL (got scheme 'ftp')"),
        ("file:///etc/passwd", "http or https"),
        ("example.com/hook", "http or https"),
        ("https:///hook", "must name a host"),
        ("https://user:secret@example.com/", "user name or password"),
        ("https://exa mple.com/", "spaces or control characters"),
        ("https://example.com/\r\nX: y", "spaces or control characters"),
        ("https://example.com:99999/", "valid http or https URL"),
        ("https://[::1/", "valid http or https URL"),
        ("https://example.com/" + "a" * 2048, "at most 2048 characters (got 2068)"),
        ("http://127.0.0.1/", "non-public address 127.0.0.1"),
        ("http://[::1]/", "non-public address"),
        ("http://[::ffff:127.0.0.1]/", "non-public address"),
        ("http://[fe80::1%25eth0]/", "non-public address"),
        ("http://169.254.169.254/latest/meta-data", "non-public address"),
        ("http://１２７.0.0.1/", "non-public address"),
        ("http://localhost:8080/", "this machine itself"),
        ("http://hook.LOCALHOST./", "this machine itself"),
    ],
)
def test_other_urls_are_refused_in_words(url: str, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        check_url(url, allow_private_addresses=False)


@pytest.mark.parametrize(
    "host", ["2130706433", "0x7f000001", "0x7f.0.0.1", "017700000001", "127.1", "0177.0.0.1", "127.0.0.1.", "1.2.3.4.5"]
)
@pytest.mark.parametrize("allow_private", [False, True])
def test_odd_spellings_of_an_address_are_refused(host: str, allow_private: bool) -> None:
    with pytest.raises(ValueError, match="must spell an address"):
        check_url(f"http://{host}/", allow_private_addresses=allow_private)


def test_private_literals_pass_where_the_deployment_allows_them() -> None:
    for url in ("http://127.0.0.1:8000/", "http://[::1]/", "http://localhost/", "http://192.168.1.5/"):
        check_url(url, allow_private_addresses=True)
    with pytest.raises(ValueError, match="non-public"):
        check_url("http://169.254.169.254/", allow_private_addresses=True)
