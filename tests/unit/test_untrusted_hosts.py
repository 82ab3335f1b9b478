"""The rule of addresses: which hosts a stranger may name."""

from __future__ import annotations

import ipaddress

import pytest

from tasks.network.hosts import HostRule, is_internal, literal

INTERNAL = [
    *("127.0.0.1", "127.1.2.3", "0.0.0.0", "10.0.0.1", "172.16.0.1", "172.31.255.255"),
    *("192.168.1.1", "169.254.169.254", "100.64.0.1", "100.127.255.255", "192.0.0.192"),
    *("192.0.2.1", "198.18.0.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1"),
    *(
        "255.255.255.255",
        "192.88.99.1",
        "::",
        "::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd00:ec2::254",
    ),
    *("ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "::ffff:0:127.0.0.1"),
    *("64:ff9b::127.0.0.1", "64:ff9b::a9fe:a9fe", "64:ff9b:1::1", "64:ff9b:1::8.8.8.8"),
    *("2002:7f00:1::", "2002:808:808::1", "2001:0:4136:e378:8000:63bf:3fff:fdd2", "2001:db8::1"),
    *("2001:20::1", "3ffe::1", "3fff::1", "5f00::1", "100::1", "2600:1::5efe:10.0.0.1"),
]
PUBLIC = [
    *("8.8.8.8", "1.1.1.1", "172.32.0.1", "100.128.0.1", "2606:4700:4700::1111"),
    *("::ffff:8.8.8.8", "64:ff9b::8.8.8.8", "2a00:1450:4001::1"),
]
LOOPBACKS = [
    *("127.0.0.1", "127.1", "2130706433", "0x7f.0.0.1", "0x7f000001", "0177.0.0.1", "017700000001"),
    *("[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "127.0.0.1.", "LOCALHOST", "localhost."),
    *("a.localhost", "[::1%25lo]"),
]
NAMES = ["db", "printer.local", "metadata.google.internal", "nas.lan", "x.home.arpa", "", "."]


@pytest.mark.parametrize("address", INTERNAL)
def test_addresses_inside_are_refused(address):
    assert is_internal(ipaddress.ip_address(address))
    assert not HostRule.next_to("api.example").allows("films.example", [address])


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_allowed(address):
    assert not is_internal(ipaddress.ip_address(address))
    assert HostRule.next_to("api.example").allows("films.example", [address])


@pytest.mark.parametrize("host", LOOPBACKS)
def test_this_machine_is_known_in_every_spelling_and_allowed_beside_an_api_on_it(host):
    assert not HostRule.next_to("api.example").allows_host(host)
    assert HostRule.next_to("127.0.0.1").allows_host(host)
    assert HostRule.next_to("localhost").allows_host(host)


@pytest.mark.parametrize("host", NAMES)
def test_names_that_only_an_internal_network_knows_are_refused(host):
    assert not HostRule.next_to("127.0.0.1").allows_host(host)


def test_an_api_on_this_machine_opens_nothing_else():
    beside = HostRule.next_to("127.0.0.1")
    assert not beside.allows("films.example", ["10.0.0.1"])
    assert not beside.allows_host("169.254.169.254")


def test_one_address_inside_is_one_too_many():
    assert not HostRule().allows("films.example", ["8.8.8.8", "10.0.0.1"])
    assert not HostRule().allows("films.example", [])


def test_the_apis_own_host_is_allowed_wherever_it_is():
    assert HostRule.next_to("10.0.0.5").allows_host("10.0.0.5")
    assert HostRule.next_to("Wave.Internal.").allows("wave.internal", ["10.0.0.5"])
    assert not HostRule.next_to("10.0.0.5").allows_host("10.0.0.6")


def test_what_is_no_address_is_a_name():
    assert [literal(host) for host in ("example.org", "1.2.3.4.5", "0x", "a b")] == [None] * 4
