"""Stops the embedded engines and removes what they and `make run` keep. Servers of your own are not touched."""

import fcntl
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from emm import engines

# By name, because EMM_STATE_DIR may be a folder that holds other things too.
OURS = (
    "postgres", "valkey", "valkey.json", "valkey.conf", "valkey.log",
    "sandbox.sqlite", "sandbox.sqlite-wal", "sandbox.sqlite-shm",
    "secret_key", "admin_password", "run.pid", "supervisord.pid", "engines.starting", "engines.users",
)  # fmt: skip


def main() -> None:
    """Refuses, with one line and exit code 1, while something still works with these engines."""
    engines.load_environment()
    state, data = engines.state_dir(), engines.data_dir()
    with open(state / "engines.users", "a") as users:
        try:
            fcntl.flock(users, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            sys.exit(f"Something still works with the engines in {data}: stop it first.")
        engines.stop()
        for folder in {state, data}:
            remove(folder)
    print(f"Removed what was in {' and '.join(sorted({str(state), str(data)}))}.")


def remove(folder: Path) -> None:
    """Remove what is ours in `folder`, and the folder itself if nothing else is left in it."""
    for name in OURS:
        path = folder / name
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    if not any(folder.iterdir()):
        folder.rmdir()


if __name__ == "__main__":
    main()
