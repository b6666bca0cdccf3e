"""What Authlib is told of a token (RFC 7662), how it takes one back (RFC 7009), and what its resource servers make of both."""

import requests
from authlib.oauth2.rfc6750 import InvalidTokenError
from authlib.oauth2.rfc7662 import IntrospectTokenValidator
from authlib.oauth2.rfc9068 import JWTBearerTokenValidator
from joserfc.jwk import KeySet

TIMEOUT_SECONDS = 10


class ByKeys(JWTBearerTokenValidator):
    """A resource server that works offline, with the keys that it has."""

    def __init__(self, metadata, audience):
        super().__init__(metadata["issuer"], audience)
        self.jwks = KeySet.import_key_set(requests.get(metadata["jwks_uri"], timeout=TIMEOUT_SECONDS).json())

    def get_jwks(self):
        return self.jwks


class ByAsking(IntrospectTokenValidator):
    """A resource server that asks about every token."""

    def __init__(self, metadata, session):
        super().__init__()
        self.metadata, self.session = metadata, session

    def introspect_token(self, token_string):
        return introspect(self.metadata, self.session, token_string)


def introspect(metadata, session, token, status=200):
    url = metadata["introspection_endpoint"]
    answer = session.introspect_token(url, token=token, token_type_hint="access_token", timeout=TIMEOUT_SECONDS)
    assert answer.status_code == status, answer.text
    return answer.json()


def revoke(metadata, session, token, status=200):
    url = metadata["revocation_endpoint"]
    answer = session.revoke_token(url, token=token, token_type_hint="access_token", timeout=TIMEOUT_SECONDS)
    assert answer.status_code == status, answer.text
    return answer.json() if answer.content else None


def accepts(validator, token):
    try:
        validator.validate_token(validator.authenticate_token(token), [], None)
    except InvalidTokenError:
        return False
    return True


def walk(metadata, session, claims_of):
    """With whatever the session proves itself by. `claims_of` verifies a token, and returns what it says."""

    def fetch():
        answer = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", timeout=TIMEOUT_SECONDS)
        return answer["access_token"]

    by_keys, by_asking = ByKeys(metadata, metadata["issuer"]), ByAsking(metadata, session)
    other, token = fetch(), fetch()
    assert introspect(metadata, session, token) == {**claims_of(token), "active": True, "token_type": "Bearer"}
    assert accepts(by_keys, token) and accepts(by_asking, token)
    assert not accepts(ByKeys(metadata, "https://other.example"), token)

    changed = f"{token[:-8]}AAAAAAAA"
    assert not accepts(by_keys, changed) and not accepts(by_asking, changed)
    for nothing in (changed, "no token at all"):
        assert introspect(metadata, session, nothing) == {"active": False}
        assert revoke(metadata, session, nothing) is None

    assert accepts(by_asking, token), "revoking something else has revoked it"
    for _ in range(2):
        assert revoke(metadata, session, token) is None
    assert introspect(metadata, session, token) == {"active": False}
    assert not accepts(by_asking, token)
    assert accepts(by_keys, token), "who asks nobody cannot know"
    assert accepts(by_asking, other), "the other one is not revoked"


def be_refused(metadata, session, token):
    """A wrong proof is told nothing, and takes nothing back."""
    assert introspect(metadata, session, token, 401)["error"] == "invalid_client"
    assert revoke(metadata, session, token, 401)["error"] == "invalid_client"
