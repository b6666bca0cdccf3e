"""Authlib as a client, joserfc as a verifier: discover, get tokens, verify them, be recognised, be told of them, take them back.

Nothing here knows a path of the server but `/v1/whoami` and where an account's keys are put; the rest is what Authlib finds in
the metadata.
"""

import os
import time

import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata, get_well_known_url
from joserfc import jwt
from joserfc.jwk import ECKey, KeySet, OKPKey, RSAKey

import certificate
import telling

URL = os.environ["CARNET_URL"]
TSG_ID = os.environ["CARNET_TSG_ID"]
CLIENT_ID = os.environ["CARNET_CLIENT_ID"]
CLIENT_SECRET = os.environ["CARNET_CLIENT_SECRET"]
CERTIFICATE_FILE = os.environ.get("CARNET_CLIENT_CERTIFICATE_FILE")
ACCOUNTS = f"{URL}/v1/tenants/{TSG_ID}/service-accounts"
TIMEOUT_SECONDS = 10
RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")


def fetch(url):
    answer = requests.get(url, timeout=TIMEOUT_SECONDS, allow_redirects=False)
    assert answer.status_code == 200, f"{url} answered {answer.status_code}"
    assert answer.headers["Content-Type"].split(";")[0] == "application/json", answer.headers
    return answer.json()


def discover():
    """The metadata, valid by Authlib's reading of RFC 8414 and the same to an OpenID Connect client."""
    metadata = AuthorizationServerMetadata(fetch(get_well_known_url(URL, external=True)))
    metadata.validate()
    assert metadata["issuer"] == URL, metadata
    openid = fetch(get_well_known_url(URL, external=True, suffix="openid-configuration"))
    for member in ("issuer", "token_endpoint", "jwks_uri"):
        assert openid[member] == metadata[member], f"{member} differs between the two documents"
    assert "RS256" in openid["id_token_signing_alg_values_supported"], openid
    return metadata


def read(token, issuer, keys, client_id=CLIENT_ID):
    """The claims of an access token, as a resource server reads it (RFC 9068 §4)."""
    decoded = jwt.decode(token, keys, algorithms=["RS256"])
    assert decoded.header["typ"] == "at+jwt", decoded.header
    assert decoded.header["kid"], decoded.header
    rules = {name: {"essential": True} for name in ("exp", "iat", "jti", "scope", "credential_id")}
    rules["iss"] = {"essential": True, "value": issuer}
    rules["aud"] = {"essential": True, "value": issuer}
    rules["sub"] = rules["client_id"] = {"essential": True, "value": client_id}
    rules["tsg_id"] = {"essential": True, "value": TSG_ID}
    rules["roles"] = {"essential": client_id == CLIENT_ID}
    rules["scope"]["allow_blank"] = True
    jwt.JWTClaimsRegistry(**rules).validate(decoded.claims)
    return decoded.claims


def verify(token, issuer, keys, audience):
    claims = read(token["access_token"], issuer, keys)
    assert claims["aud"] == audience, claims["aud"]
    assert abs(claims["exp"] - claims["iat"] - token["expires_in"]) <= 1, token["expires_in"]
    return claims


def by_secret(metadata, method, scope, secret=CLIENT_SECRET):
    assert method in metadata["token_endpoint_auth_methods_supported"], metadata
    return OAuth2Session(
        CLIENT_ID, secret, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method, scope=scope
    )


class Assertion(PrivateKeyJWT):
    """Authlib names the token endpoint as the audience, and lets an assertion live for an hour, unless told otherwise; and it
    writes its `jti` into the claims that it is given, so that the same ones make the same assertion twice."""

    def __init__(self, algorithm, claims):
        super().__init__(alg=algorithm)
        self.told = claims

    def sign(self, auth, token_endpoint):
        self.claims = {"exp": int(time.time()) + 60, **self.told}
        return super().sign(auth, token_endpoint)


def by_key(metadata, algorithm, key, scope, **claims):
    assert "private_key_jwt" in metadata["token_endpoint_auth_methods_supported"], metadata
    assert algorithm in metadata["token_endpoint_auth_signing_alg_values_supported"], metadata
    method = "private_key_jwt"
    session = OAuth2Session(
        CLIENT_ID, key, token_endpoint_auth_method=method, revocation_endpoint_auth_method=method, scope=scope
    )
    session.register_client_auth_method(Assertion(algorithm, {"aud": metadata["issuer"], **claims}))
    return session


def put_keys(session, keys):
    """The public halves, in the place of whatever keys the account has; with a token that its secret got."""
    account = session.get(f"{URL}/v1/whoami", timeout=TIMEOUT_SECONDS).json()["service_account_id"]
    answer = session.put(
        f"{ACCOUNTS}/{account}/jwks",
        json={"keys": [key.as_dict(private=False) for key in keys]},
        headers={"If-Match": "*"},
        timeout=TIMEOUT_SECONDS,
    )
    assert answer.status_code == 200, answer.text


def walk(metadata, keys, session, scope, audience):
    token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", timeout=TIMEOUT_SECONDS)
    assert token["token_type"] == "Bearer", token["token_type"]
    assert token["scope"] == (scope or f"tsg_id:{TSG_ID}"), token["scope"]
    claims = verify(token, metadata["issuer"], keys, audience)

    answer = session.get(f"{URL}/v1/whoami", timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, f"whoami answered {answer.status_code}"
    caller = answer.json()
    for member in ("client_id", "tsg_id", "credential_id", "roles", "scope"):
        assert caller[member] == claims[member], f"{member}: {caller[member]!r} is not {claims[member]!r}"
    assert caller["audience"] == metadata["issuer"], caller
    assert caller["product"] is None and caller["api_key_id"] is None, caller


def be_refused(metadata, session):
    """A wrong proof is `invalid_client`, whichever way it comes."""
    try:
        session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", timeout=TIMEOUT_SECONDS)
    except OAuthError as error:
        assert error.error == "invalid_client", error
    else:
        raise AssertionError("a wrong proof got a token")


def main():
    metadata = discover()
    keys = KeySet.import_key_set(fetch(metadata["jwks_uri"]))
    named, audience = f"tsg_id:{TSG_ID}", [metadata["issuer"], CLIENT_ID]
    wrong = CLIENT_SECRET[:-1] + ("0" if CLIENT_SECRET[-1] != "0" else "1")
    for method in ("client_secret_basic", "client_secret_post"):
        session = by_secret(metadata, method, None)
        walk(metadata, keys, session, None, metadata["issuer"])
        walk(metadata, keys, by_secret(metadata, method, named), named, audience)
        be_refused(metadata, by_secret(metadata, method, None, wrong))

    rsa, okp = RSAKey.generate_key(2048), OKPKey.generate_key("Ed25519")
    ec, ec384 = ECKey.generate_key("P-256"), ECKey.generate_key("P-384")
    put_keys(session, [rsa, ec, ec384, okp])
    for algorithm, key in (*((name, rsa) for name in RSA), ("ES256", ec), ("ES384", ec384), ("EdDSA", okp)):
        walk(metadata, keys, by_key(metadata, algorithm, key, None), None, metadata["issuer"])
        walk(metadata, keys, by_key(metadata, algorithm, key, named), named, audience)
        be_refused(metadata, by_key(metadata, algorithm, key, None, aud=metadata["token_endpoint"]))
        once = by_key(metadata, algorithm, key, None, jti=f"once-{algorithm}-{time.time()}")
        walk(metadata, keys, once, None, metadata["issuer"])
        be_refused(metadata, once)
    stranger = by_key(metadata, "ES256", ECKey.generate_key("P-256"), None)
    be_refused(metadata, stranger)

    def claims_of(text, client_id=CLIENT_ID):
        return read(text, metadata["issuer"], keys, client_id)

    basic, post = (by_secret(metadata, method, None) for method in ("client_secret_basic", "client_secret_post"))
    for told in (basic, post, by_key(metadata, "ES256", ec, None)):
        telling.walk(metadata, told, claims_of)
    token = session.token["access_token"]
    telling.be_refused(metadata, by_secret(metadata, "client_secret_basic", None, wrong), token)
    telling.be_refused(metadata, by_secret(metadata, "client_secret_post", None, wrong), token)
    telling.be_refused(metadata, stranger, token)
    assert telling.introspect(metadata, told, token)["active"], "somebody with a wrong proof has revoked it"
    if CERTIFICATE_FILE:
        certificate.walk(metadata, session, ACCOUNTS, CERTIFICATE_FILE, claims_of)


main()
