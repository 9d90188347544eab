"""Ready-made middlewares, one a file."""

from .compress import compress_middleware, sets_cookies
from .marking import middleware
from .normalize_path import normalize_path_middleware
from .problem_details import problem_details
from .security_headers import CSP_NONCE, csp_nonce, security_headers
from .timeouts import handler_timeout

__all__ = [
    "CSP_NONCE",
    "compress_middleware",
    "csp_nonce",
    "handler_timeout",
    "middleware",
    "normalize_path_middleware",
    "problem_details",
    "security_headers",
    "sets_cookies",
]
