"""picows: a callback a frame, no messages, no tasks, no queue."""

import asyncio

import settings
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server

members: set[WSTransport] = set()


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            self.on_message(transport, frame.msg_type, frame.get_payload_as_bytes())

    def on_message(self, sender: WSTransport, kind: WSMsgType, payload: bytes) -> None:
        sender.send(kind, payload)


class Member(Echo):
    def on_ws_connected(self, transport: WSTransport) -> None:
        members.add(transport)

    def on_ws_disconnected(self, transport: WSTransport) -> None:
        members.discard(transport)

    def on_message(self, sender: WSTransport, kind: WSMsgType, payload: bytes) -> None:
        del sender  # it is among them
        for member in members:
            member.send(kind, payload)


def listen(request: WSUpgradeRequest) -> WSListener:
    return Member() if request.path == b"/room" else Echo()


async def main() -> None:
    await ws_create_server(listen, settings.HOST, settings.PORT)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
