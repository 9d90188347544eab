"""uvicorn with httptools and uvloop: serves the ASGI application that is named, as module:name."""

import sys

import settings
import uvicorn

if __name__ == "__main__":
    uvicorn.run(
        sys.argv[1],
        host=settings.HOST,
        port=settings.PORT,
        loop="uvloop",
        http="httptools",
        ws="none",
        timeout_keep_alive=settings.KEEP_ALIVE,
        access_log=False,
        log_level="error",
    )
