"""Basic authentication."""

import pytest
from yarl import URL

from levante.client import BasicAuth, encode_basic_auth
from levante.client.auth import strip_auth_from_url


@pytest.mark.parity("C24")
def test_encode() -> None:
    assert encode_basic_auth("Aladdin", "open sesame") == "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ=="
    assert encode_basic_auth("ü") == "Basic w7w6"
    assert BasicAuth("ü").encode() == "Basic /Do="


@pytest.mark.parity("C24")
@pytest.mark.parametrize(("login", "password"), [("a:b", "x"), ("a\nb", "x"), ("a", "x\r")])
def test_what_cannot_be_credentials(login: str, password: str) -> None:
    with pytest.raises(ValueError, match="7617"):
        encode_basic_auth(login, password)


@pytest.mark.parity("C24")
def test_decode() -> None:
    assert BasicAuth.decode("basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==") == BasicAuth("Aladdin", "open sesame")
    for broken in ("Bearer x", "Basic !!!", "Basic " + "YQ==", "Basic \xff"):
        with pytest.raises(ValueError, match=r"scheme|base64|':'"):
            BasicAuth.decode(broken)


@pytest.mark.parity("C24")
def test_from_url() -> None:
    assert BasicAuth.from_url(URL("http://u:p%20w@h/")) == BasicAuth("u", "p w")
    assert BasicAuth.from_url(URL("http://h/")) is None
    with pytest.raises(TypeError):
        BasicAuth.from_url("http://u@h/")  # type: ignore[arg-type]


@pytest.mark.parity("C6")
def test_strip() -> None:
    assert strip_auth_from_url(URL("http://u:p@h/x")) == (URL("http://h/x"), encode_basic_auth("u", "p"))
    assert strip_auth_from_url(URL("http://h/x")) == (URL("http://h/x"), None)
