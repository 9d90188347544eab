"""levante.client."""

import webclient

from levante import client

if __name__ == "__main__":
    webclient.run(client)
