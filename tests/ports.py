"""Free ports for the processes that tests start."""

from __future__ import annotations

import random
import socket

BELOW_EPHEMERAL = range(15_000, 30_000)  # nothing that asks for any port gets one of these


def free_port() -> int:
    """A port on loopback that nothing listens on, nor on the one after it."""
    while True:
        port = random.SystemRandom().choice(BELOW_EPHEMERAL)  # no seed of a test gives two processes the same
        with socket.socket() as first, socket.socket() as second:
            try:
                first.bind(("127.0.0.1", port))
                second.bind(("127.0.0.1", port + 1))
            except OSError:
                continue
            return port
