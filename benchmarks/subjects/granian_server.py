"""granian with one worker and uvloop: serves the application that is named, by the interface that is named."""

import sys

import settings
from granian import Granian

if __name__ == "__main__":
    Granian(
        sys.argv[1],
        address=settings.HOST,
        port=settings.PORT,
        interface=sys.argv[2],
        workers=1,
        loop="uvloop",
        http="1",
        websockets=False,
        log_enabled=False,
    ).serve()
