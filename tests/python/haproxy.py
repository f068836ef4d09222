"""The balancer of `compose.yaml`: the real HAProxy with our configuration. It asks each gateway whether it is ready."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
from collections.abc import Sequence
from pathlib import Path

from processes import HERE, Process, Starter, free_port, until

CONFIG = HERE.parents[1] / "compose" / "haproxy.cfg"
# What is different on this machine. The gateways have fixed addresses, so nobody need look for them.
BIND = "bind :8000"
GATEWAYS = "server-template gateway 8 gateways:8000 resolve-prefer ipv4"
# Where Debian has it, which is not on every path.
DEBIAN = "/usr/sbin/haproxy"


def haproxy(starter: Starter, port: int, upstreams: Sequence[str]) -> str:
    """Starts it at this port, or a free one, in front of gateways that are called as their processes are."""
    address = f"127.0.0.1:{port or free_port()}"
    servers = "\n    ".join(f"server gateway-{n} {upstream}" for n, upstream in enumerate(upstreams))
    config = CONFIG.read_text()
    assert BIND in config and GATEWAYS in config, f"{CONFIG} has other lines now"
    file = starter.folder / "haproxy.cfg"
    file.write_text(config.replace(BIND, f"bind {address}").replace(GATEWAYS, servers))
    balancer = starter.start("balancer", [program(), "-db", "-f", str(file)], lambda _line: None)
    balancer.ends_with = -signal.SIGTERM
    until(lambda: connects(address))
    return address


def restart(gateway: Process, balancer: Process) -> None:
    """Restarts a gateway as a rolling update does: the next one may follow when requests go to this one again."""
    back = f"Server gateways/{gateway.name} is UP"
    before = balancer.log.read_text().count(back)
    gateway.restart()
    until(lambda: balancer.log.read_text().count(back) > before)


def program() -> str:
    found = os.environ.get("PRYNAI_HAPROXY") or shutil.which("haproxy") or DEBIAN
    assert Path(found).exists(), "haproxy is not installed; scripts/agents installs it"
    return found


def connects(address: str) -> bool:
    host, _, port = address.rpartition(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port))):
        return True
    return False
