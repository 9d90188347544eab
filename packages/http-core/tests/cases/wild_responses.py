"""Responses as real servers write them, and odd ones that the RFCs allow: the seeds of the differential test.

Each case: (name, method of the request, bytes). All of them are valid, the server closes behind each; what is done to
them is the business of mangling.py.
"""

GET = "GET"


def message(*lines: bytes, body: bytes = b"") -> bytes:
    """The lines of a head, each with its CRLF, the empty line, and the body."""
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def sized(*lines: bytes, body: bytes) -> bytes:
    return message(*lines, b"Content-Length: %d" % len(body), body=body)


def chunked(*lines: bytes, body: bytes) -> bytes:
    return message(*lines, b"Transfer-Encoding: chunked", body=body)


CASES = [
    (
        "nginx, a page",
        GET,
        sized(
            b"HTTP/1.1 200 OK",
            b"Server: nginx/1.22.1",
            b"Date: Sat, 21 Nov 2026 06:00:00 GMT",
            b"Content-Type: text/html; charset=utf-8",
            b"Connection: keep-alive",
            b"Vary: Accept-Encoding",
            b'ETag: W/"5f1-1a2b3c"',
            b"Accept-Ranges: bytes",
            body=b"<!doctype html><title>hi</title>",
        ),
    ),
    (
        "nginx, not modified",
        GET,
        message(b"HTTP/1.1 304 Not Modified", b"Server: nginx", b'ETag: "5f1-1a2b3c"', b"Connection: keep-alive"),
    ),
    (
        "nginx, not found, closing",
        GET,
        sized(b"HTTP/1.1 404 Not Found", b"Server: nginx/1.22.1", b"Connection: close", body=b"<html>404</html>\r\n"),
    ),
    (
        "Apache, a page",
        GET,
        sized(
            b"HTTP/1.1 200 OK",
            b"Date: Sat, 21 Nov 2026 06:00:00 GMT",
            b"Server: Apache/2.4.66 (Debian)",
            b"Upgrade: h2,h2c",
            b"Connection: Upgrade, Keep-Alive",
            b"Keep-Alive: timeout=5, max=100",
            b"Content-Type: text/html",
            body=b"<html><body><h1>It works!</h1></body></html>\n",
        ),
    ),
    (
        "Apache, moved",
        GET,
        sized(
            b"HTTP/1.1 301 Moved Permanently",
            b"Server: Apache",
            b"Location: https://www.example.org/",
            b"Content-Type: text/html; charset=iso-8859-1",
            body=b"<title>301</title>",
        ),
    ),
    (
        "IIS, a page",
        GET,
        sized(
            b"HTTP/1.1 200 OK",
            b"Cache-Control: private",
            b"Content-Type: text/html; charset=utf-8",
            b"Server: Microsoft-IIS/10.0",
            b"X-AspNet-Version: 4.0.30319",
            b"X-Powered-By: ASP.NET",
            b"Set-Cookie: ARRAffinity=81a3;Path=/;HttpOnly;Secure;Domain=app.example.net",
            b"Set-Cookie: ASP.NET_SessionId=abc; path=/; HttpOnly; SameSite=Lax",
            body=b"\xef\xbb\xbf<html/>",
        ),
    ),
    (
        "IIS, an error",
        GET,
        sized(b"HTTP/1.1 500 Internal Server Error", b"Server: Microsoft-IIS/10.0", body=b"Runtime Error"),
    ),
    (
        "a content network, chunked",
        GET,
        chunked(
            b"HTTP/1.1 200 OK",
            b"Date: Sat, 21 Nov 2026 06:00:00 GMT",
            b"Content-Type: text/html; charset=UTF-8",
            b"Connection: keep-alive",
            b"CF-Cache-Status: DYNAMIC",
            b'Report-To: {"endpoints":[{"url":"https:\\/\\/a.example\\/report?s=x"}],"group":"cf"}',
            b"Server: cloudflare",
            b"CF-RAY: 8e5f1a2b3c4d5e6f-MAD",
            body=b"1a\r\n<html><body>hello</body></\r\n5\r\nhtml>\r\n0\r\n\r\n",
        ),
    ),
    (
        "a content network, from its cache",
        GET,
        sized(
            b"HTTP/1.1 200 OK",
            b"Age: 4711",
            b"X-Cache: Hit from cloudfront",
            b"Via: 1.1 0a1b2c.cloudfront.net (CloudFront)",
            b"X-Amz-Cf-Id: abc-_==",
            body=b"cached",
        ),
    ),
    (
        "another network, with hints",
        GET,
        sized(
            b"HTTP/1.1 200 OK",
            b"X-Served-By: cache-mad22040-MAD, cache-fra-eddf8230",
            b"X-Cache: MISS, HIT",
            b"X-Timer: S1763700000.123456,VS0,VE1",
            b'Alt-Svc: h3=":443";ma=86400,h3-29=":443"',
            body=b"x" * 300,
        ),
    ),
    (
        "a Python server, closing",
        GET,
        message(
            b"HTTP/1.0 200 OK", b"Server: SimpleHTTP/0.6 Python/3.13", b"Content-type: text/plain", body=b"until close"
        ),
    ),
    (
        "a WSGI server",
        GET,
        sized(
            b"HTTP/1.1 200 OK",
            b"Server: gunicorn",
            b"Connection: close",
            b"Content-Type: application/json",
            body=b"{}\n",
        ),
    ),
    (
        "Express",
        GET,
        sized(
            b"HTTP/1.1 200 OK",
            b"X-Powered-By: Express",
            b"Access-Control-Allow-Origin: *",
            b"Content-Type: application/json; charset=utf-8",
            b'ETag: W/"d-ipuNvMDN0WwCNq/5rZgP3KGj1p8"',
            b"Connection: keep-alive",
            b"Keep-Alive: timeout=5",
            body=b'{"hello":"w"}',
        ),
    ),
    (
        "an object store",
        GET,
        sized(
            b"HTTP/1.1 200 OK",
            b"x-amz-id-2: 0/3+abc=",
            b"x-amz-request-id: 9F1",
            b"Last-Modified: Tue, 03 Nov 2026 08:00:00 GMT",
            b'ETag: "d41d8cd98f00b204e9800998ecf8427e"',
            body=b"\0\1\2\3binary\xff",
        ),
    ),
    (
        "a code host's API",
        GET,
        chunked(
            b"HTTP/1.1 200 OK",
            b"content-type: application/json; charset=utf-8",
            b'link: <https://api.example.com/x?page=2>; rel="next", <https://api.example.com/x?page=9>; rel="last"',
            b"x-ratelimit-remaining: 4999",
            body=b"2\r\n[]\r\n0\r\n\r\n",
        ),
    ),
    (
        "a load balancer, bad gateway",
        GET,
        sized(b"HTTP/1.1 502 Bad Gateway", b"Server: awselb/2.0", body=b"<h1>502</h1>"),
    ),
    (
        "a proxy, unavailable",
        GET,
        message(
            b"HTTP/1.0 503 Service Unavailable",
            b"Cache-Control: no-cache",
            b"Connection: close",
            b"Content-Type: text/html",
            body=b"<html><body><h1>503 Service Unavailable</h1>\nNo server is available.\n</body></html>\n",
        ),
    ),
    ("no content", "DELETE", message(b"HTTP/1.1 204 No Content", b"Date: Sat, 21 Nov 2026 06:00:00 GMT")),
    (
        "a range",
        GET,
        sized(b"HTTP/1.1 206 Partial Content", b"Content-Range: bytes 0-4/100", b"Accept-Ranges: bytes", body=b"01234"),
    ),
    (
        "several ranges",
        GET,
        sized(
            b"HTTP/1.1 206 Partial Content",
            b"Content-Type: multipart/byteranges; boundary=3d6b6a416f9b5",
            body=b"--3d6b6a416f9b5\r\nContent-Range: bytes 0-0/9\r\n\r\na\r\n--3d6b6a416f9b5--\r\n",
        ),
    ),
    (
        "unauthorised",
        GET,
        sized(
            b"HTTP/1.1 401 Unauthorized",
            b'WWW-Authenticate: Digest realm="a", qop="auth,auth-int", nonce="7ypf/xlj9XXwfDPEoM4URrv"',
            b'WWW-Authenticate: Basic realm="a"',
            body=b"",
        ),
    ),
    (
        "a proxy wants a password",
        GET,
        sized(b"HTTP/1.1 407 Proxy Authentication Required", b"Proxy-Authenticate: Negotiate", body=b""),
    ),
    (
        "continue, then created",
        "POST",
        message(b"HTTP/1.1 100 Continue") + sized(b"HTTP/1.1 201 Created", b"Location: /things/7", body=b"ok"),
    ),
    (
        "early hints, then a page",
        GET,
        message(b"HTTP/1.1 103 Early Hints", b"Link: </s.css>; rel=preload; as=style")
        + sized(b"HTTP/1.1 200 OK", b"Content-Type: text/html", body=b"<p>"),
    ),
    ("HTTP/1.0 that keeps the connection", GET, sized(b"HTTP/1.0 200 OK", b"Connection: keep-alive", body=b"kept")),
    ("no reason", GET, sized(b"HTTP/1.1 200", body=b"x")),
    ("an empty reason", GET, sized(b"HTTP/1.1 200 ", body=b"x")),
    ("a reason in Latin-1", GET, sized(b"HTTP/1.1 404 Seite nicht verf\xfcgbar", body=b"")),
    (
        "chunks with extensions and trailers",
        GET,
        chunked(
            b"HTTP/1.1 200 OK",
            b"Trailer: Server-Timing",
            body=b'3;a=b\r\nabc\r\n00A;c="d e"\r\n0123456789\r\n0;z\r\nServer-Timing: db;dur=53\r\nX-End: \r\n\r\n',
        ),
    ),
    (
        "HEAD of a large file",
        "HEAD",
        message(b"HTTP/1.1 200 OK", b"Content-Length: 104857600", b"Content-Type: video/mp4"),
    ),
    ("HEAD of a stream", "HEAD", message(b"HTTP/1.1 200 OK", b"Transfer-Encoding: chunked", b"Content-Type: text/csv")),
    (
        "events",
        GET,
        chunked(
            b"HTTP/1.1 200 OK",
            b"Content-Type: text/event-stream",
            b"Cache-Control: no-store",
            b"X-Accel-Buffering: no",
            body=b"c\r\ndata: {}\n\nid\r\n4\r\n: 1\n\r\n0\r\n\r\n",
        ),
    ),
    ("until close", GET, message(b"HTTP/1.1 200 OK", b"Content-Type: text/plain", body=b"a\r\n\r\nb\n")),
    ("until close, and said so", GET, message(b"HTTP/1.1 200 OK", b"Connection: close", body=b"a\r\n0\r\n\r\n")),
    ("nothing", GET, message(b"HTTP/1.1 200 OK", b"Content-Length: 0")),
    ("Via twice", GET, sized(b"HTTP/1.1 200 OK", b"Via: 1.1 a", b"Via: 1.1 b", body=b"x")),
    (
        "odd but legal fields",
        GET,
        sized(
            b"HTTP/1.1 299 Odd  but\tlegal",
            b"X-Empty:",
            b"X-Blank:   \t ",
            b"X-Tabs:\ta\tb\t",
            b"!#$%&'*+-.^_`|~09: token of every kind",
            b"X-Latin: caf\xe9",
            b"X: :::",
            b"x: again",
            body=b"odd",
        ),
    ),
    ("a status of nobody", GET, sized(b"HTTP/1.1 799 Custom", body=b"")),
    ("empty line before", GET, b"\r\n" + sized(b"HTTP/1.1 200 OK", body=b"x")),
    ("many fields", GET, sized(b"HTTP/1.1 200 OK", *(b"X-Field-%d: %d" % (i, i) for i in range(70)), body=b"")),
    ("no upgrade after all", "CONNECT", sized(b"HTTP/1.1 403 Forbidden", body=b"no tunnel")),
    ("a tunnel", "CONNECT", message(b"HTTP/1.1 200 Connection established", b"Proxy-Agent: p/1")),
    (
        "switching",
        "UPGRADE",
        message(
            b"HTTP/1.1 101 Switching Protocols",
            b"Upgrade: websocket",
            b"Connection: Upgrade",
            b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=",
        ),
    ),
    (
        "coding in capitals",
        GET,
        message(b"HTTP/1.1 200 OK", b"TRANSFER-ENCODING: CHUNKED", body=b"1\r\nx\r\n0\r\n\r\n"),
    ),
]
