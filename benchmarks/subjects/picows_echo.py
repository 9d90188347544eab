"""picows: a callback a frame, no messages, no tasks, no queue."""

import asyncio

import settings
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server


class Echo(WSListener):
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(frame.get_close_code())
            transport.disconnect()
        else:
            transport.send(frame.msg_type, frame.get_payload_as_bytes())


def echo(_: WSUpgradeRequest) -> WSListener:
    return Echo()


async def main() -> None:
    await ws_create_server(echo, settings.HOST, settings.PORT)
    await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(main())
