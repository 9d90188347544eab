"""A throwaway PostgreSQL cluster for tests: its own folder, a free port on loopback, gone when the block ends.

PostgreSQL refuses to run as root, so for root the cluster belongs to the system's user `postgres`. Durability is
switched off: the data never outlives the run.
"""

import contextlib
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

ROLE = "levante"
START_SECONDS = 60  # a cold machine with a busy disk; normally it takes two
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
    "max_connections": "200",
}


def find_binaries() -> Path | None:
    """The folder of `initdb` and `pg_ctl`: on PATH, else where Debian keeps the newest version."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    versions = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    return versions[-1].parent if versions else None


@contextlib.contextmanager
def throwaway_cluster() -> Iterator[str]:
    """Run a cluster for the block; gives its address as an SQLAlchemy URL (`postgresql+asyncpg://...`).

    The role in the URL may create databases. Raises FileNotFoundError where PostgreSQL is not installed.
    """
    binaries = find_binaries()
    if binaries is None:
        raise FileNotFoundError(
            "PostgreSQL is not here: got no `initdb` on PATH nor below /usr/lib/postgresql (apt-get install postgresql)"
        )
    with tempfile.TemporaryDirectory(prefix="levante-pg-") as folder:
        data, port = Path(folder) / "data", free_port()
        owner = user_to_run_as(Path(folder))
        command(
            owner,
            binaries / "initdb",
            "-D",
            data,
            "-U",
            ROLE,
            "-A",
            "trust",
            "-E",
            "UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        )
        options = " ".join(f"-c {name}={value}" for name, value in SETTINGS.items()) + f" -p {port} -k {folder}"
        log = Path(folder) / "log"
        command(owner, binaries / "pg_ctl", "-D", data, "-l", log, "-w", "-t", START_SECONDS, "-o", options, "start")
        try:
            yield f"postgresql+asyncpg://{ROLE}@127.0.0.1:{port}/postgres"
        finally:
            command(owner, binaries / "pg_ctl", "-D", data, "-m", "immediate", "-w", "stop")


def user_to_run_as(folder: Path) -> str | None:
    """None: as ourselves. As root, `postgres`, who is given the folder."""
    if os.geteuid() != 0:
        return None
    account = pwd.getpwnam("postgres")
    os.chown(folder, account.pw_uid, account.pw_gid)
    return account.pw_name


def command(owner: str | None, program: Path, *arguments: object) -> None:
    done = subprocess.run(
        [str(program), *map(str, arguments)],
        user=owner,
        cwd="/",
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        check=False,
    )
    if done.returncode:
        raise RuntimeError(
            f"{program.name} failed with status {done.returncode}: {done.stderr.decode(errors='replace').strip()}"
        )


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


if __name__ == "__main__":
    with throwaway_cluster() as url:
        print(f"TEST_DATABASE_URL={url}", flush=True)
        sys.stdin.read()
