"""The tree of errors: shapes, sentences, pickling."""

import pickle
import ssl

import pytest
from multidict import CIMultiDict, CIMultiDictProxy
from yarl import URL

from levante import client
from levante.client import ConnectionKey, RequestInfo, errors

KEY = ConnectionKey("example.com", 443, True, True)
INFO = RequestInfo(
    URL("http://example.com/x"), "GET", CIMultiDictProxy(CIMultiDict({"A": "1"})), URL("http://example.com/x#f")
)
REFUSED = ConnectionRefusedError(111, "Connection refused")

SAMPLES = [
    client.ClientError("x"),
    client.ClientResponseError(INFO, (), status=404, message="Not Found", headers=CIMultiDict({"B": "2"})),
    client.ContentTypeError(INFO, (), status=200, message="no JSON"),
    client.WSServerHandshakeError(INFO, (), status=200, message="no 101"),
    client.ClientHttpProxyError(INFO, (), status=407, message="no"),
    client.TooManyRedirects(INFO, ()),
    client.ClientConnectionError("gone"),
    client.ClientConnectionResetError("reset"),
    client.ClientOSError(32, "Broken pipe"),
    client.ClientConnectorError(KEY, REFUSED),
    client.ClientConnectorDNSError(KEY, OSError(None, "no address")),
    client.ClientProxyConnectionError(KEY, REFUSED),
    client.UnixClientConnectorError("/run/x.sock", KEY, FileNotFoundError(2, "No such file")),
    client.ClientConnectorSSLError(KEY, ssl.SSLError(1, "bad")),
    client.ClientConnectorCertificateError(KEY, ssl.SSLCertVerificationError(1, "self-signed")),
    client.ServerConnectionError("x"),
    client.ServerDisconnectedError(),
    client.ServerDisconnectedError("half a head"),
    client.ServerFingerprintMismatch(b"a" * 32, b"b" * 32, "example.com", 443),
    client.ServerTimeoutError("slow"),
    client.ConnectionTimeoutError("slow"),
    client.SocketTimeoutError("slow"),
    client.ClientPayloadError("short"),
    client.InvalidURL("http://", "no host"),
    client.InvalidURL("http://"),
    client.InvalidUrlClientError(URL("http:///x")),
    client.InvalidUrlRedirectClientError("http://[", "bad"),
    client.NonHttpUrlClientError("ftp://x"),
    client.NonHttpUrlRedirectClientError("ftp://x", "ftp"),
]


@pytest.mark.parity("C41")
@pytest.mark.parametrize("error", SAMPLES, ids=lambda error: type(error).__name__)
def test_pickles(error: Exception) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is type(error)
    assert str(again) == str(error)
    assert repr(again) == repr(error)
    facts = {name: value for name, value in vars(error).items() if isinstance(value, (str, int, URL))}
    assert {name: vars(again)[name] for name in facts} == facts


@pytest.mark.parity("C41")
def test_every_error_of_the_module_is_a_client_error_and_exported() -> None:
    for name in errors.__all__:
        if name != "RequestInfo":
            assert issubclass(getattr(client, name), client.ClientError)


@pytest.mark.parity("C41")
@pytest.mark.parametrize(
    ("child", "parents"),
    [
        ("ClientConnectionResetError", (client.ClientConnectionError, ConnectionResetError)),
        ("ClientOSError", (client.ClientConnectionError, OSError)),
        ("ClientConnectorError", (client.ClientOSError,)),
        ("ClientConnectorDNSError", (client.ClientConnectorError,)),
        ("ClientSSLError", (client.ClientConnectorError,)),
        ("ClientConnectorSSLError", (client.ClientSSLError, ssl.SSLError)),
        ("ClientConnectorCertificateError", (client.ClientSSLError, ssl.CertificateError)),
        ("ServerTimeoutError", (client.ServerConnectionError, TimeoutError)),
        ("ConnectionTimeoutError", (client.ServerTimeoutError,)),
        ("SocketTimeoutError", (client.ServerTimeoutError,)),
        ("InvalidURL", (client.ClientError, ValueError)),
        ("InvalidUrlRedirectClientError", (client.InvalidUrlClientError, client.RedirectClientError)),
        ("NonHttpUrlRedirectClientError", (client.NonHttpUrlClientError, client.RedirectClientError)),
    ],
)
def test_the_tree(child: str, parents: tuple[type, ...]) -> None:
    assert all(issubclass(getattr(client, child), parent) for parent in parents)


def test_connector_error_says_where_and_why() -> None:
    error = client.ClientConnectorError(KEY, REFUSED)
    assert (error.host, error.port, error.ssl, error.os_error) == ("example.com", 443, True, REFUSED)
    assert error.errno == 111
    assert str(error) == "cannot connect to example.com:443 (ssl: verified): Connection refused"
    plain = client.ClientConnectorError(ConnectionKey("h", 80, False, True), OSError("odd"))
    assert str(plain) == "cannot connect to h:80 (ssl: off): odd"
    unverified = client.ClientConnectorError(ConnectionKey("h", 443, True, False), OSError())
    assert "unverified" in str(unverified)


def test_unix_and_certificate_errors_have_their_facts() -> None:
    unix = client.UnixClientConnectorError("/run/x.sock", KEY, FileNotFoundError(2, "No such file"))
    assert unix.path == "/run/x.sock"
    assert "/run/x.sock" in str(unix)
    cause = ssl.SSLCertVerificationError(1, "self-signed")
    certificate = client.ClientConnectorCertificateError(KEY, cause)
    assert certificate.certificate_error is cause
    assert "example.com:443" in str(certificate)


def test_a_key_with_a_context_pickles_as_its_kind() -> None:
    context = ssl.create_default_context()
    error = client.ClientConnectorError(KEY._replace(ssl=context), REFUSED)
    assert "SSLContext" in str(error)
    assert pickle.loads(pickle.dumps(error)).ssl is True


def test_sentences() -> None:
    error = client.ClientResponseError(INFO, (), status=404, message="Not Found")
    assert str(error) == "404, message='Not Found', url='http://example.com/x#f'"
    mismatch = client.ServerFingerprintMismatch(b"a" * 32, b"b" * 32, "example.com", 443)
    assert "62" * 32 in str(mismatch)
    assert "61" * 32 in str(mismatch)
    invalid = client.InvalidURL("http://", "no host")
    assert (invalid.url, invalid.description, str(invalid)) == ("http://", "no host", "http:// - no host")
    assert str(client.InvalidURL("http://")) == "http://"
    assert str(client.NonHttpUrlClientError("ftp://x")) == "ftp://x"
    assert client.ServerDisconnectedError().message


def test_response_error_without_headers_pickles() -> None:
    error = client.ClientResponseError(INFO, (), status=500)
    assert pickle.loads(pickle.dumps(error)).headers is None
    assert pickle.loads(pickle.dumps(SAMPLES[1])).headers["b"] == "2"
