"""The subjects: programs of benchmarks/subjects/ with a name, and which pieces of work each can do."""

from dataclasses import dataclass

HELLO = ("hello-2", "hello-13")
BARE = (*HELLO, "json", "echo-1k", "echo-100k", "download", "upload", "idle", "idle-10k")
WHOLE = (*BARE, "static")
WEBSOCKETS = ("ws-64", "ws-64k", "broadcast", "idle-ws")
CLIENT = ("client-get", "client-get-32", "client-post", "client-post-32", "client-call")
PARSER = ("parse",)
SESSION = ("session",)


@dataclass(frozen=True)
class Subject:
    """A program that is measured; `peer` is the word that selects it, and `program` its file and arguments."""

    name: str
    peer: str
    program: tuple[str, ...]
    works: tuple[str, ...]


FLOOR = Subject("floor: bare uvloop", "floor", ("floor_server.py",), HELLO)

IN_USE = Subject("levante, in use", "levante", ("levante_full_server.py",), HELLO)

SUBJECTS = (
    Subject("levante", "levante", ("levante_server.py",), (*WHOLE, *WEBSOCKETS)),
    IN_USE,
    Subject("levante, everything on", "levante", ("levante_full_server.py", "everything"), HELLO),
    Subject("aiohttp", "aiohttp", ("aiohttp_server.py",), (*WHOLE, *WEBSOCKETS)),
    Subject("granian RSGI, bare", "granian", ("granian_server.py", "rsgi_app:app", "rsgi"), WHOLE),
    Subject("granian ASGI, bare", "granian", ("granian_server.py", "asgi_app:app", "asginl"), BARE),
    Subject("blacksheep on granian", "blacksheep", ("granian_server.py", "blacksheep_app:app", "asgi"), WHOLE),
    Subject("uvicorn, bare", "uvicorn", ("uvicorn_server.py", "asgi_app:app"), BARE),
    Subject("starlette on uvicorn", "starlette", ("uvicorn_server.py", "starlette_app:app"), WHOLE),
    Subject("fastapi on uvicorn", "fastapi", ("uvicorn_server.py", "fastapi_app:app"), WHOLE),
    Subject("sanic", "sanic", ("sanic_server.py",), WHOLE),
    Subject("tornado", "tornado", ("tornado_server.py",), WHOLE),
    Subject("hypercorn, bare", "hypercorn", ("hypercorn_server.py",), BARE),
    FLOOR,
    Subject("websockets", "websockets", ("websockets_echo.py",), WEBSOCKETS),
    Subject("picows (callbacks)", "picows", ("picows_echo.py",), WEBSOCKETS),
    Subject("levante", "levante", ("levante_client.py",), CLIENT),
    Subject("aiohttp", "aiohttp", ("aiohttp_client.py",), CLIENT),
    Subject("httpx", "httpx", ("httpx_client.py",), CLIENT),
    Subject("pyreqwest (Rust)", "pyreqwest", ("pyreqwest_client.py",), CLIENT),
    Subject("levante", "levante", ("parsers.py", "levante"), PARSER),
    Subject("levante, fields read", "levante", ("parsers.py", "levante-fields"), PARSER),
    Subject("levante, connection", "levante", ("parsers.py", "levante-connection"), PARSER),
    Subject("httptools", "httptools", ("parsers.py", "httptools"), PARSER),
    Subject("h11", "h11", ("parsers.py", "h11"), PARSER),
    Subject("levante, signed", "levante", ("session_cookies.py", "signed"), SESSION),
    Subject("levante, encrypted", "levante", ("session_cookies.py", "encrypted"), SESSION),
    Subject("aiohttp-session, Fernet", "aiohttp", ("session_cookies.py", "aiohttp-session"), SESSION),
)


def chosen(peers: list[str]) -> list[Subject]:
    """levante and the `peers` that are named; all where none is. SystemExit for a name that nothing has."""
    known = {subject.peer for subject in SUBJECTS}
    if unknown := [peer for peer in peers if peer not in known]:
        raise SystemExit(f"no such peer: {', '.join(unknown)}; expected some of: {', '.join(sorted(known))}")
    return [subject for subject in SUBJECTS if not peers or subject.peer in {"levante", *peers}]
