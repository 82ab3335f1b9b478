"""Which hosts an address may lead to that a stranger wrote: the one rule for all of them.

Upload tickets, addresses of answers and redirects lead to hosts of the public internet only. A host
is internal if its address is private, of this machine, of this link, shared by a carrier, reserved,
or an IPv6 address that hides such an IPv4 address, and if it has a name that only an internal
network knows. Excepted are the hosts that the user named himself (the API's; for a redirect, the
one that it comes from), and this machine where the API is on it.

Names are judged by what they resolve to, at the moment of connecting, and the address that was
judged is the one that is connected to. Where a proxy connects, it decides where a name leads, and
only the name itself can be judged.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

#: Everything that the registries of special addresses (RFC 6890 and later) do not call global.
_NOT_PUBLIC_4 = tuple(
    IPv4Network(network)
    for network in (
        *("0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16"),
        *("172.16.0.0/12", "192.0.0.0/24", "192.0.2.0/24", "192.88.99.0/24", "192.168.0.0/16"),
        *("198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"),
    )
)
#: Of IPv6 only these are public, and of them not what follows.
_PUBLIC_6 = IPv6Network("2000::/3")
_NOT_PUBLIC_6 = tuple(
    IPv6Network(network)
    # Teredo, benchmarks and other protocols; examples; 6to4, which may lead to any IPv4 address;
    # what was a test network; examples again.
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3ffe::/16", "3fff::/20")
)
#: An IPv6 network without IPv4 reaches all of it through this prefix (RFC 6052).
_NAT64 = IPv6Network("64:ff9b::/96")
_ISATAP = (0x00005EFE, 0x02005EFE)

#: Names that no public registry gives out.
_INTERNAL_SUFFIXES = frozenset(
    {"localhost", "localdomain", "local", "internal", "intranet", "lan", "home", "corp", "arpa"}
)

IPAddress = IPv4Address | IPv6Address


def is_internal(address: IPAddress) -> bool:
    """Whether an address is not one of the public internet.

    >>> [is_internal(ip_address(a)) for a in ("8.8.8.8", "64:ff9b::8.8.8.8", "2606:4700::1111")]
    [False, False, False]
    >>> [is_internal(ip_address(a)) for a in ("10.1.2.3", "64:ff9b::10.1.2.3", "2002:a01:203::1")]
    [True, True, True]
    """
    if isinstance(address, IPv4Address):
        return any(address in network for network in _NOT_PUBLIC_4)
    if address.ipv4_mapped is not None:
        return is_internal(address.ipv4_mapped)
    if address in _NAT64:
        return is_internal(IPv4Address(int(address) & 0xFFFFFFFF))
    if address not in _PUBLIC_6 or any(address in network for network in _NOT_PUBLIC_6):
        return True
    return (int(address) >> 32) & 0xFFFFFFFF in _ISATAP


def is_loopback(address: IPAddress) -> bool:
    """Whether an address is this machine's own, also as IPv6 hides it."""
    mapped = address.ipv4_mapped if isinstance(address, IPv6Address) else None
    return (mapped or address).is_loopback


def literal(host: str) -> IPAddress | None:
    """The address that a host is, in every spelling that systems take; None for a name.

    >>> [str(literal(host)) for host in ("127.1", "0x7f000001", "2130706433", "[::1]", "10.0.0.1.")]
    ['127.0.0.1', '127.0.0.1', '127.0.0.1', '::1', '10.0.0.1']
    """
    bare = _spelled(host).partition("%")[0]
    try:
        return ip_address(bare)
    except ValueError:
        pass
    try:
        # The system's own reader takes octal, hexadecimal, whole and short numbers.
        return IPv4Address(socket.inet_aton(bare)) if bare.isascii() and "\0" not in bare else None
    except OSError:
        return None


def is_internal_name(host: str) -> bool:
    """Whether a name, not an address, is one that only an internal network knows.

    >>> [is_internal_name(host) for host in ("db", "LOCALHOST.", "a.internal", "example.org")]
    [True, True, True, False]
    """
    labels = _spelled(host).split(".")
    return len(labels) == 1 or labels[-1] in _INTERNAL_SUFFIXES


def names_this_machine(host: str) -> bool:
    """Whether a host is a spelling of this machine, without asking anybody."""
    address = literal(host)
    if address is not None:
        return is_loopback(address)
    spelled = _spelled(host)
    return spelled == "localhost" or spelled.endswith((".localhost", "localhost.localdomain"))


@dataclass(frozen=True, kw_only=True, slots=True)
class HostRule:
    """Which hosts may be visited."""

    #: Hosts that the user named himself, wherever they are.
    named: frozenset[str] = frozenset()
    #: Whether this machine may be visited, because the API is on it.
    this_machine: bool = False

    @classmethod
    def next_to(cls, own_host: str) -> HostRule:
        """The rule for what an API at `own_host` names."""
        return cls(named=frozenset({_spelled(own_host)}), this_machine=names_this_machine(own_host))

    def allows_host(self, host: str) -> bool:
        """Whether a host may be asked for; a name must also resolve to what may be visited."""
        if _spelled(host) in self.named:
            return True
        address = literal(host)
        if address is not None:
            return self.allows_address(address)
        return bool(_spelled(host)) and (
            not is_internal_name(host) or (self.this_machine and names_this_machine(host))
        )

    def allows_address(self, address: IPAddress) -> bool:
        """Whether an address may be connected to for a host that is not named."""
        return not is_internal(address) or (self.this_machine and is_loopback(address))

    def allows(self, host: str, addresses: Iterable[str]) -> bool:
        """Whether a host that resolves to these addresses may be connected to: to all or none."""
        if _spelled(host) in self.named:
            return True
        found = [literal(address) for address in addresses]
        return (
            bool(found)
            and self.allows_host(host)
            and all(one is not None and self.allows_address(one) for one in found)
        )


def _spelled(host: str) -> str:
    return host.strip("[]").rstrip(".").lower()
