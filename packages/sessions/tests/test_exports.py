"""The public names, written a second time, so that none comes or goes by accident."""

import levante.sessions

PUBLIC = """
AbstractStorage CsrfRules EncryptedCookieStorage FernetCookies Flash MemoryRevocations MemoryStorage NaClCookies
Revocations ServerSideStorage Session SessionConflict SessionCookie SessionError SessionInfo SessionNotSetUp
SessionPayloadError SessionReadOnly SessionRecordTooLarge SessionStore SessionStoreUnavailable SessionTooLarge
SessionWriteTooLate SignedCookieStorage StorageOptions WeakKey csrf_context csrf_exempt csrf_middleware csrf_token flash
flash_context generate_key get_flashes get_session guard_websocket keys_from_environment new_session parse_keys
session_middleware
setup
"""


def test_the_public_names():
    assert levante.sessions.__all__ == PUBLIC.split()
    assert all(getattr(levante.sessions, name).__doc__ for name in PUBLIC.split())
