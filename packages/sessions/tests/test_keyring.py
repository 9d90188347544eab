"""Keys from the environment: found, made up for development, refused anywhere else."""

import pytest

from levante.sessions import WeakKey, generate_key, keys_from_environment, parse_keys

pytestmark = pytest.mark.hardening("S4")


def test_a_variable_or_a_file(tmp_path, monkeypatch):
    new, old = generate_key(), generate_key()
    expected = parse_keys(f"{new},{old}")
    assert keys_from_environment(environment="production", environ={"SECRET_KEYS": f" {new},{old}\n"}) == expected
    file = tmp_path / "keys"
    file.write_text(f"{new},{old}\n")
    assert keys_from_environment(environment="production", environ={"SECRET_KEYS_FILE": str(file)}) == expected
    monkeypatch.setenv("SHOP_KEYS", new)
    assert keys_from_environment("SHOP_KEYS", environment="production") == parse_keys(new)


@pytest.mark.parametrize("environment", ["production", "staging", "Development", ""])
@pytest.mark.parametrize("value", ["", "secret", "changeme-changeme-changeme-changeme", "a" * 43, "A" * 20])
def test_weak_keys_refuse_to_start(environment, value):
    with pytest.raises(WeakKey) as caught:
        keys_from_environment(environment=environment, environ={"SECRET_KEYS": value})
    assert not value or value not in str(caught.value)


@pytest.mark.parametrize("environment", ["development", "test"])
def test_in_development_a_missing_key_is_made_up(environment, caplog):
    first, second = (keys_from_environment(environment=environment, environ={}) for _ in range(2))
    assert first != second
    assert "SECRET_KEYS is not set" in caplog.text
    with pytest.raises(WeakKey):
        keys_from_environment(environment=environment, environ={"SECRET_KEYS": "secret"})


def test_what_is_not_meant(tmp_path):
    file = tmp_path / "keys"
    environ = {"SECRET_KEYS": generate_key(), "SECRET_KEYS_FILE": str(file)}
    with pytest.raises(WeakKey, match="both SECRET_KEYS and SECRET_KEYS_FILE are set"):
        keys_from_environment(environment="production", environ=environ)
    del environ["SECRET_KEYS"]
    with pytest.raises(WeakKey, match=r"keys cannot be read \(FileNotFoundError\)"):
        keys_from_environment(environment="production", environ=environ)
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(WeakKey, match=r"keys cannot be read \(UnicodeDecodeError\)"):
        keys_from_environment(environment="production", environ=environ)
