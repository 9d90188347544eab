"""Parse one browser's head again and again, with the parser that is named; each time is the mean of a small batch.

Each makes what a server on it makes of a head: `httptools` a list of pairs in a protocol's callbacks, `h11` a Request
event, `levante` a RequestHead, whose fields are made when they are asked for; `levante-fields` asks for them.
`levante-connection` is the whole connection without I/O, with the framing of bodies and the state of both sides; like
h11's it is a new one each time.
"""

import json
import sys
from collections.abc import Callable

import orders

Parse = Callable[[], int]  # the number of fields found, or -1 where they are left for later


def levante(head: bytes) -> Parse:
    from levante.http.headparser import HeadParser
    from levante.http.limits import Limits

    parser = HeadParser(Limits(), request=True)

    def parse() -> int:
        found = parser.parse(head, 0, len(head))
        parser.reset()
        return 0 if found is None else -1

    return parse


def levante_fields(head: bytes) -> Parse:
    from levante.http.headparser import HeadParser
    from levante.http.limits import Limits

    parser = HeadParser(Limits(), request=True)

    def parse() -> int:
        found = parser.parse(head, 0, len(head))
        parser.reset()
        return 0 if found is None else len(found.raw_headers)

    return parse


def levante_connection(head: bytes) -> Parse:
    from levante.http import Connection, RequestHead, Role

    def parse() -> int:
        connection = Connection(Role.SERVER)
        connection.receive_data(head)
        return -1 if isinstance(connection.next_event(), RequestHead) else 0

    return parse


def httptools(head: bytes) -> Parse:
    from httptools import HttpRequestParser

    class Protocol:
        def on_message_begin(self) -> None:
            self.fields: list[tuple[bytes, bytes]] = []
            self.complete = False

        def on_url(self, url: bytes) -> None:
            self.url = url

        def on_header(self, name: bytes, value: bytes) -> None:
            self.fields.append((name, value))

        def on_headers_complete(self) -> None:
            self.complete = True

    protocol = Protocol()
    parser = HttpRequestParser(protocol)

    def parse() -> int:
        parser.feed_data(head)
        return len(protocol.fields) if protocol.complete else 0

    return parse


def h11(head: bytes) -> Parse:
    from h11 import SERVER, Connection, Request

    def parse() -> int:
        connection = Connection(SERVER)
        connection.receive_data(head)
        event = connection.next_event()
        return len(event.headers) if isinstance(event, Request) else 0

    return parse


PARSERS = {
    "levante": levante,
    "levante-fields": levante_fields,
    "levante-connection": levante_connection,
    "httptools": httptools,
    "h11": h11,
}


def main() -> None:
    parse = None
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        head = order["head"].encode()
        parse = parse or PARSERS[sys.argv[1]](head)
        orders.repeat(order, parse, {head.count(b"\r\n") - 2, -1})


if __name__ == "__main__":
    main()
