"""Which address and interface of this machine reach the place where the nodes meet."""

import fcntl
import ipaddress
import os
import socket
import struct

from sftlib.core.errors import UsageError

SIOCGIFADDR = 0x8915  # of Linux: the IPv4 address of an interface


def own_address(endpoint: str) -> str:
    """This machine's IPv4 address towards host:port; nothing is sent.

    Raises `UsageError` where there is no way to the host.
    """
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            probe.connect((host_of(endpoint), 9))
            address: str = probe.getsockname()[0]
            return address
    except OSError as error:
        raise UsageError(f"run.rendezvous: {endpoint} is out of reach: {error}") from None


def is_own(endpoint: str) -> bool:
    """Whether the host is this machine."""
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.bind((host_of(endpoint), 0))
        return True
    except OSError:
        return False


def is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address).is_loopback


def host_of(endpoint: str) -> str:
    return endpoint.rpartition(":")[0]


def talk_from(address: str) -> None:
    """Have gloo and NCCL use the interface with this address, unless the environment says which.

    By themselves they take that of the host's name, often one that other nodes cannot reach.
    """
    for name in interfaces_of(address):
        os.environ.setdefault("GLOO_SOCKET_IFNAME", name)
        os.environ.setdefault("NCCL_SOCKET_IFNAME", name)


def interfaces_of(address: str) -> list[str]:
    return [name for _, name in socket.if_nameindex() if address_of(name) == address]


def address_of(interface: str) -> str | None:
    """The first IPv4 address of an interface."""
    request = struct.pack("256s", interface.encode()[:15])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            answer = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, request)
        except OSError:
            return None
    return socket.inet_ntoa(answer[20:24])
