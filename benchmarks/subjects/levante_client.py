"""levante.client."""

import orders
import webclient

from levante import client
from levante.http.deadlines import within

if __name__ == "__main__":
    webclient.run(client, {"headers": orders.FIELDS}, lambda: within(orders.DEADLINE))
