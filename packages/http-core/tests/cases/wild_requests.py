"""Requests as real clients write them, and odd ones that the RFCs allow: the seeds of the differential test.

Each case: (name, bytes). All of them are valid; what is done to them is the business of mangling.py.
"""


def message(*lines: bytes, body: bytes = b"") -> bytes:
    """The lines of a head, each with its CRLF, the empty line, and the body."""
    return b"".join(line + b"\r\n" for line in lines) + b"\r\n" + body


def sized(*lines: bytes, body: bytes) -> bytes:
    return message(*lines, b"Content-Length: %d" % len(body), body=body)


def chunked(*lines: bytes, body: bytes) -> bytes:
    return message(*lines, b"Transfer-Encoding: chunked", body=body)


CASES = [
    (
        "Chrome navigates",
        message(
            b"GET /shop/items?page=2&sort=price HTTP/1.1",
            b"Host: shop.example.com",
            b"Connection: keep-alive",
            b'sec-ch-ua: "Chromium";v="140", "Not=A?Brand";v="24"',
            b"sec-ch-ua-mobile: ?0",
            b'sec-ch-ua-platform: "Linux"',
            b"Upgrade-Insecure-Requests: 1",
            b"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML) Chrome/140.0 Safari/537.36",
            b"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,*/*;q=0.8",
            b"Sec-Fetch-Site: none",
            b"Sec-Fetch-Mode: navigate",
            b"Accept-Encoding: gzip, deflate, br, zstd",
            b"Cookie: _ga=GA1.2.1234; session=eyJhIjoxfQ.abc-_def",
        ),
    ),
    (
        "Firefox fetches an image",
        message(
            b"GET /static/logo.png?v=3 HTTP/1.1",
            b"Host: www.example.org:8080",
            b"User-Agent: Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:140.0) Gecko/20100101 Firefox/140.0",
            b"Accept: image/avif,image/webp,*/*;q=0.8",
            b"Accept-Language: de,en-US;q=0.7,en;q=0.3",
            b"Referer: http://www.example.org:8080/",
            b'If-None-Match: "5f1-1a2b3c"',
            b"If-Modified-Since: Tue, 03 Nov 2026 08:00:00 GMT",
            b"DNT: 1",
        ),
    ),
    ("curl", message(b"GET / HTTP/1.1", b"Host: localhost:8080", b"User-Agent: curl/8.14.1", b"Accept: */*")),
    (
        "curl posts a large form",
        sized(
            b"POST /upload HTTP/1.1",
            b"Host: a.example",
            b"User-Agent: curl/8.14.1",
            b"Accept: */*",
            b"Content-Type: application/x-www-form-urlencoded",
            b"Expect: 100-continue",
            body=b"name=levante&kind=wind" * 12,
        ),
    ),
    (
        "Wget",
        message(
            b"GET /pub/file.tar.gz HTTP/1.1",
            b"Host: ftp.example.org",
            b"User-Agent: Wget/1.25.0",
            b"Accept: */*",
            b"Accept-Encoding: identity",
            b"Connection: Keep-Alive",
        ),
    ),
    (
        "Python posts JSON",
        sized(
            b"POST /api/v1/orders HTTP/1.1",
            b"Host: api.example.com",
            b"User-Agent: python-requests/2.32.5",
            b"Accept-Encoding: gzip, deflate",
            b"Accept: */*",
            b"Connection: keep-alive",
            b"Content-Type: application/json",
            body=b'{"item": 17, "count": 3}',
        ),
    ),
    (
        "an asynchronous client uploads in chunks",
        chunked(
            b"POST /stream HTTP/1.1",
            b"Host: 127.0.0.1:8081",
            b"Accept: */*",
            b"User-Agent: Python/3.13 aiohttp/3.14",
            b"Content-Type: application/octet-stream",
            body=b"b\r\nhello world\r\n5\r\nagain\r\n0\r\n\r\n",
        ),
    ),
    (
        "a webhook of a code host",
        sized(
            b"POST /hooks/push HTTP/1.1",
            b"Host: ci.example.net",
            b"User-Agent: Hookshot/044aadd",
            b"X-Event: push",
            b"X-Delivery: 72d3162e-cc78-11e3-81ab-4c9367dc0958",
            b"X-Signature-256: sha256=d57c68ca6f92289e6987922ff26938930f6e66a2d161ef06abdf1859230aa23c",
            b"content-type: application/json",
            body=b'{"ref":"refs/heads/main","commits":[]}',
        ),
    ),
    (
        "a webhook of a payment service",
        sized(
            b"POST /pay/events HTTP/1.1",
            b"Host: shop.example",
            b"Accept: */*; q=0.5, application/xml",
            b"Cache-Control: no-cache",
            b"Signature: t=1763700000,v1=5257a869e7ecebeda32affa62cdca3fa51cad7e77a0e56ff536d0ce8e108d8bd",
            b"Content-Type: application/json; charset=utf-8",
            b"Connection: close",
            body=b'{"id":"evt_1","object":"event"}',
        ),
    ),
    (
        "a chat command",
        sized(
            b"POST /slash HTTP/1.1",
            b"user-agent: Chatbot 1.0",
            b"accept: application/json,*/*",
            b"content-type: application/x-www-form-urlencoded",
            b"host: bot.example.io",
            b"accept-encoding: gzip,deflate",
            body=b"token=x&command=%2Fdeploy&text=shop+1.2",
        ),
    ),
    (
        "a browser uploads a file",
        sized(
            b"POST /photos HTTP/1.1",
            b"Host: photos.example",
            b"Origin: https://photos.example",
            b"Content-Type: multipart/form-data; boundary=----WebKitFormBoundary7MA4YWxkTrZu0gW",
            body=(
                b"------WebKitFormBoundary7MA4YWxkTrZu0gW\r\n"
                b'Content-Disposition: form-data; name="photo"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
                b"\x89PNG\r\n\x1a\n\0\0\r\n------WebKitFormBoundary7MA4YWxkTrZu0gW--\r\n"
            ),
        ),
    ),
    (
        "CORS preflight",
        message(
            b"OPTIONS /api/things HTTP/1.1",
            b"Host: api.example.com",
            b"Access-Control-Request-Method: PUT",
            b"Access-Control-Request-Headers: authorization,content-type",
            b"Origin: https://app.example.com",
        ),
    ),
    ("OPTIONS of the whole server", message(b"OPTIONS * HTTP/1.1", b"Host: a.example", b"Max-Forwards: 3")),
    ("HEAD of a monitor", message(b"HEAD /status HTTP/1.1", b"Host: a.example", b"User-Agent: uptime/2")),
    (
        "PUT of an object store",
        sized(
            b"PUT /bucket/key%20one?partNumber=1&uploadId=VXBsb2Fk HTTP/1.1",
            b"Host: objects.example.com",
            b"Authorization: AWS4-HMAC-SHA256 Credential=AKIA/20261121/eu/s3/aws4_request, Signature=fe5f80",
            b"x-amz-content-sha256: UNSIGNED-PAYLOAD",
            b"Content-MD5: XUFAKrxLKna5cZ2REBfFkg==",
            body=b"hello",
        ),
    ),
    (
        "JSON patch",
        sized(
            b"PATCH /v2/users/7 HTTP/1.1",
            b"Host: a.example",
            b'If-Match: "v7"',
            b"Content-Type: application/json-patch+json",
            body=b'[{"op":"replace","path":"/name","value":"x"}]',
        ),
    ),
    ("DELETE", message(b"DELETE /v2/users/7 HTTP/1.1", b"Host: a.example", b"Authorization: Bearer abc.def.ghi")),
    ("DELETE with a body", sized(b"DELETE /v2/users HTTP/1.1", b"Host: a.example", body=b"[1,2]")),
    (
        "WebSocket",
        message(
            b"GET /chat HTTP/1.1",
            b"Host: chat.example",
            b"Connection: keep-alive, Upgrade",
            b"Upgrade: websocket",
            b"Sec-WebSocket-Version: 13",
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
            b"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits",
        ),
    ),
    (
        "h2c is offered",
        message(
            b"GET / HTTP/1.1",
            b"Host: a.example",
            b"Connection: Upgrade, HTTP2-Settings",
            b"Upgrade: h2c",
            b"HTTP2-Settings: AAMAAABkAAQAoAAAAAIAAAAA",
        ),
    ),
    (
        "CONNECT through a proxy",
        message(b"CONNECT www.example.com:443 HTTP/1.1", b"Host: www.example.com:443", b"Proxy-Connection: Keep-Alive"),
    ),
    (
        "absolute target through a proxy",
        message(b"GET http://www.example.com/path?q=1 HTTP/1.1", b"Host: www.example.com", b"Accept: */*"),
    ),
    ("ApacheBench", message(b"GET /index.html HTTP/1.0", b"Host: localhost", b"User-Agent: ApacheBench/2.3")),
    (
        "HTTP/1.0 that keeps the connection",
        message(b"GET / HTTP/1.0", b"Connection: Keep-Alive", b"Host: localhost:80", b"Accept: */*"),
    ),
    ("HTTP/1.0 form", sized(b"POST /cgi-bin/form HTTP/1.0", b"Content-type: text/plain", body=b"old times")),
    (
        "a probe of an orchestrator",
        message(
            b"GET /healthz HTTP/1.1",
            b"Host: 10.4.0.17:8080",
            b"User-Agent: kube-probe/1.34",
            b"Accept: */*",
            b"Connection: close",
        ),
    ),
    ("IPv6 host", message(b"GET /x HTTP/1.1", b"Host: [2001:db8::7]:8443", b"User-Agent: v6")),
    (
        "range of a video",
        message(
            b"GET /v.mp4 HTTP/1.1",
            b"Host: cdn.example",
            b"Range: bytes=0-1,500-999,-20",
            b'If-Range: "abc"',
            b"TE: trailers",
        ),
    ),
    (
        "gRPC-Web",
        sized(
            b"POST /pkg.Service/Method HTTP/1.1",
            b"Host: grpc.example",
            b"content-type: application/grpc-web+proto",
            b"x-grpc-web: 1",
            body=b"\0\0\0\0\x02\x08\x01",
        ),
    ),
    (
        "SOAP",
        sized(
            b"POST /ws/Stock HTTP/1.1",
            b"Host: legacy.example",
            b"Content-Type: text/xml; charset=utf-8",
            b'SOAPAction: "http://legacy.example/GetPrice"',
            b"Accept-Encoding:",
            body=b"<?xml version='1.0'?><e:Envelope/>",
        ),
    ),
    (
        "WebDAV",
        sized(
            b"PROPFIND /dav/ HTTP/1.1",
            b"Host: dav.example",
            b"Depth: 1",
            b"Content-Type: application/xml",
            body=b'<propfind xmlns="DAV:"><allprop/></propfind>',
        ),
    ),
    (
        "chunks with extensions and trailers",
        chunked(
            b"POST /t HTTP/1.1",
            b"Host: a.example",
            b"Trailer: X-Sum, X-Count",
            body=b'4;name=value\r\nWiki\r\nC;q="a b";z\r\n in chunks!!\r\n000;l\r\nX-Sum: a\r\nX-Count:  2 \r\n\r\n',
        ),
    ),
    (
        "a registry is uploaded to",
        chunked(
            b"PATCH /v2/shop/blobs/uploads/1 HTTP/1.1",
            b"Host: images.example:5000",
            b"User-Agent: docker/28.1 go/go1.24",
            b"Accept-Encoding: gzip",
            body=b"10\r\n0123456789abcdef\r\n1\r\n!\r\n0\r\n\r\n",
        ),
    ),
    (
        "two in a row",
        message(b"GET /1 HTTP/1.1", b"Host: a.example") + sized(b"POST /2 HTTP/1.1", b"Host: a.example", body=b"two"),
    ),
    (
        "chunks, then another",
        chunked(b"POST /1 HTTP/1.1", b"Host: a.example", body=b"3\r\nabc\r\n0\r\n\r\n")
        + message(b"GET /2 HTTP/1.1", b"Host: a.example", b"Connection: close"),
    ),
    ("an empty line before", b"\r\n" + message(b"GET /after-a-post HTTP/1.1", b"Host: a.example")),
    (
        "odd but legal fields",
        message(
            b"GET /odd HTTP/1.1",
            b"Host:a.example",
            b"X-Empty:",
            b"X-Blank:   \t ",
            b"X-Tabs:\ta\tb\t",
            b"!#$%&'*+-.^_`|~09: token of every kind",
            b"X-Latin: caf\xe9",
            b"X-UTF-8: caf\xc3\xa9",
            b'X-Quoted: "a\\"b, c"',
            b"X: :::",
            b"x: again",
        ),
    ),
    (
        "odd but legal target",
        message(b"GET /a//b/../c;v=1/%7Euser/@:!$&'()*+,=?a[]=1&b=%00&c=/? HTTP/1.1", b"Host: a.example"),
    ),
    (
        "what browsers leave unescaped",
        message(b'GET /q?x={a}|"b"<c>^`\\ HTTP/1.1', b"Host: a.example"),
    ),
    ("search of UPnP", message(b"M-SEARCH /ssdp HTTP/1.1", b"Host: 239.255.255.250:1900", b'MAN: "ssdp:discover"')),
    (
        "many cookies",
        message(b"GET / HTTP/1.1", b"Host: a", b"Cookie: " + b"; ".join(b"c%d=v%d" % (i, i) for i in range(60))),
    ),
    ("a long token", message(b"GET /me HTTP/1.1", b"Host: a", b"Authorization: Bearer " + b"eyJ" * 900)),
    ("many fields", message(b"GET / HTTP/1.1", b"Host: a", *(b"X-Field-%d: %d" % (i, i) for i in range(70)))),
    (
        "metrics are scraped",
        message(
            b"GET /metrics HTTP/1.1",
            b"Host: app:9090",
            b"Accept: application/openmetrics-text;version=1.0.0,text/plain;q=0.5",
            b"X-Prometheus-Scrape-Timeout-Seconds: 10",
        ),
    ),
    ("leading zeros", message(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 003", body=b"abc")),
    ("an empty body", message(b"POST / HTTP/1.1", b"Host: a", b"Content-Length: 0")),
    ("no chunk but the last", chunked(b"PUT / HTTP/1.1", b"Host: a", body=b"0\r\n\r\n")),
    (
        "coding in capitals",
        message(b"POST / HTTP/1.1", b"Host: a", b"transfer-encoding: Chunked", body=b"A\r\n0123456789\r\n0\r\n\r\n"),
    ),
    (
        "a forwarding proxy",
        message(
            b"GET /in HTTP/1.1",
            b"Host: backend.internal",
            b"X-Forwarded-For: 203.0.113.7, 10.0.0.1",
            b"X-Forwarded-Proto: https",
            b'Forwarded: for="[2001:db8::1]";proto=https',
            b"Via: 1.1 varnish, 1.1 proxy.example",
            b"Connection: X-Hop, keep-alive",
            b"X-Hop: 1",
        ),
    ),
]
