"""`devtools secrets`: make keys, and rotate those of a service. A rotation puts a new key before the others: it seals
from then on, and what the old ones sealed still opens, until they are dropped. Keys are printed only by `new`; a file
of keys is replaced whole, and only its owner can read it."""

import os
import re
import tempfile
from pathlib import Path

import click

KEPT = 2
"""Keys after a rotation: the new one, and the one before, for what it has sealed."""


@click.group("secrets", short_help="Make keys, and rotate those of a service.")
def secrets_group() -> None:
    """Make keys, and rotate those of a service."""


@secrets_group.command("new")
def new_command() -> None:
    """Print a new key: 32 random bytes in base64url."""
    from levante.sessions import generate_key

    click.echo(generate_key())


@secrets_group.command("rotate")
@click.argument("path", default=".env", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--name", default="SECRET_KEYS", show_default=True, help="The variable that holds the keys.")
@click.option(
    "--keep", default=KEPT, show_default=True, type=click.IntRange(1, 8), help="Keys that stay, the new one included."
)
@click.option("--last", "step", flag_value="last", help="Put the new key last: it opens, and does not seal yet.")
@click.option("--promote", "step", flag_value="promote", help="Make no key; put the last one first.")
def rotate_command(path: Path, name: str, keep: int, step: str | None) -> None:
    """Put a new key into PATH, a .env file, or a file that holds nothing but keys.

    With one instance call it, and restart. With several, an instance that has the new file already must not seal what
    the others cannot open yet: call it with --last and deploy, then with --promote and deploy. Exit status 2 when PATH
    is no such file, or one of its keys is weak.
    """
    from levante.sessions import WeakKey, parse_keys

    text = _read(path)
    line = re.compile(
        rf"^([ \t]*(?:export[ \t]+)?{re.escape(name)}[ \t]*=[ \t]*)(['\"]?)([^'\"\r\n#]*?)\2([ \t]*(?:#.*)?)\r?$",
        re.MULTILINE,
    )
    lines = list(line.finditer(text))
    if len(lines) > 1:
        raise click.UsageError(f"{path} has {len(lines)} lines {name}=..., and only one of them counts; leave that one")
    found = lines[0] if lines else None
    if found is None and "=" in text.rstrip().rstrip("="):
        raise click.UsageError(f"{path} has no line {name}=...; expected a .env file with it, or a file of keys alone")
    old = [key.strip() for key in (found[3] if found else text).split(",") if key.strip()]
    try:
        if old:
            parse_keys(",".join(old))
    except WeakKey as error:
        raise click.UsageError(f"{path}: key {error.position}: {error.problem}; drop it before you rotate") from None
    keys = _rotated(old, keep=keep, step=step)
    if not keys:
        raise click.UsageError(f"{path} has {len(old)} keys; expected two or more, the last of them to be promoted")
    joined = ",".join(keys)
    _replace(path, text[: found.start(3)] + joined + text[found.end(3) :] if found else joined + "\n", before=text)
    dropped = len(set(old) - set(keys))
    click.echo(f"{path}: {len(keys)} keys, {dropped} dropped; restart the service to use them")


def _rotated(old: list[str], *, keep: int, step: str | None) -> list[str]:
    """The keys after a rotation, newest first; none where there is nothing to promote."""
    from levante.sessions import generate_key

    if step == "promote":
        return [old[-1], *old[:-1]][:keep] if len(old) > 1 else []
    kept = old[: keep - 1]
    return [*kept, generate_key()] if step == "last" else [generate_key(), *kept]


def _read(path: Path) -> str:
    try:
        with path.open(encoding="utf-8", newline="") as file:  # its line ends are its own
            return file.read()
    except (OSError, UnicodeDecodeError) as error:
        raise click.UsageError(f"{path} cannot be read ({type(error).__name__}); expected a .env file") from None


def _replace(path: Path, text: str, *, before: str) -> None:
    """In one step, so that no crash leaves half a file and no reader sees one. The new file is for its owner only: that
    is how mkstemp makes them; he is the one of the old file, who has to read it. UsageError when that cannot be, and
    when the file is not what it was `before`: somebody else's change would be lost, or somebody's key."""
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.resolve().parent)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8", newline="") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        _give(Path(name), path)
        if _read(path) != before:
            raise click.UsageError(f"{path} was changed meanwhile; call this again")
        Path(name).replace(path.resolve())
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def _give(made: Path, path: Path) -> None:
    """To the owner of the file that it replaces."""
    old, new = path.stat(), made.stat()
    if (old.st_uid, old.st_gid) == (new.st_uid, new.st_gid):
        return
    try:
        os.chown(made, old.st_uid, old.st_gid)
    except OSError:
        if old.st_uid != new.st_uid:
            raise click.UsageError(f"{path} belongs to another user, who could not read it any more; be him") from None
