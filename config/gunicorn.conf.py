"""gunicorn's settings, from the same table of variables as everything else."""

import os
from pathlib import Path

from emm import engines, environment

engines.load_environment()

MEMORY_LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")


def memory() -> int:
    """Bytes that this container may use: its own limit, else the machine's memory."""
    machine = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    for path in MEMORY_LIMITS:
        try:
            return min(int(Path(path).read_text()), machine)
        except (OSError, ValueError):  # not there, or "max"
            continue
    return machine


def processes(available: int) -> int:
    """How many web processes fit into `available` bytes: 512 MB 2, 1 GB 4, 2 GB or more 8."""
    if available >= 2_000_000_000:
        return 8
    return 4 if available >= 1_000_000_000 else 2


def _default_workers() -> int:
    return processes(memory()) if environment.value_of("ENVIRONMENT", os.environ) == "production" else 2


bind = f"{environment.value_of('HOST', os.environ)}:{environment.value_of('PORT', os.environ)}"
worker_class = "gthread"
workers = environment.value_of("WEB_CONCURRENCY", os.environ) or _default_workers()
threads = 4
timeout = 60
graceful_timeout = 30
preload_app = True
worker_tmp_dir = "/dev/shm" if os.path.isdir("/dev/shm") else None  # noqa: S108  # heartbeats, where no disk can stall them
forwarded_allow_ips = ",".join(environment.value_of("TRUSTED_PROXIES", os.environ)) or "127.0.0.1,::1"
accesslog = None  # structlog writes a line for each request
loglevel = environment.value_of("LOG_LEVEL", os.environ).lower()
control_socket_disable = True


def post_worker_init(worker: object) -> None:
    """Measure each web process, after its fork, and say which commit serves."""
    from emm import measures
    from ops import deployments

    measures.start("web")
    deployments.announce()
