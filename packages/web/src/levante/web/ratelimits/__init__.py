"""How often something may happen, counted for each key: `rates` has the words, `memory` counts in this process, and
`shared` (the extra `limits`) counts in Redis for all of them. The middleware is
`levante.web.middlewares.rate_limit`."""

from .memory import MemoryLimits
from .rates import Rate, RateLimits, Verdict

__all__ = ["MemoryLimits", "Rate", "RateLimits", "Verdict"]
