"""Ready-made middlewares, one a file."""

from .allowed_addresses import allowed_addresses
from .allowed_hosts import allowed_hosts
from .basic_auth import BASIC_USER, basic_auth
from .body_limit import body_limit
from .compress import compress_middleware, sets_cookies
from .cors import Cors, CorsPolicy, with_cors
from .https_redirect import https_redirect
from .marking import middleware
from .normalize_path import normalize_path_middleware
from .problem_details import problem_details
from .rate_limit import by_address, by_header, by_user, rate_limit
from .request_id import request_id
from .security_headers import CSP_NONCE, csp_nonce, security_headers
from .timeouts import handler_timeout

__all__ = [
    "BASIC_USER",
    "CSP_NONCE",
    "Cors",
    "CorsPolicy",
    "allowed_addresses",
    "allowed_hosts",
    "basic_auth",
    "body_limit",
    "by_address",
    "by_header",
    "by_user",
    "compress_middleware",
    "csp_nonce",
    "handler_timeout",
    "https_redirect",
    "middleware",
    "normalize_path_middleware",
    "problem_details",
    "rate_limit",
    "request_id",
    "security_headers",
    "sets_cookies",
    "with_cors",
]
