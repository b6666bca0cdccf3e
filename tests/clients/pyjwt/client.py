"""PyJWT as a verifier that knows nothing but the JWKS, and as the maker of a client's assertions; requests does the rest.

What it verifies: access tokens, signed answers about them, status lists.
"""

import json
import os
import time
import uuid

import jwt
import requests
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

import introspection
import status_list
from refusal import expect

URL = os.environ["CARNET_URL"]
TSG_ID = os.environ["CARNET_TSG_ID"]
CLIENT_ID = os.environ["CARNET_CLIENT_ID"]
CLIENT_SECRET = os.environ["CARNET_CLIENT_SECRET"]
ACCOUNTS = f"{URL}/v1/tenants/{TSG_ID}/service-accounts"
TIMEOUT_SECONDS = 10
JWT_BEARER = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
CLAIMS = ["exp", "iat", "iss", "sub", "aud", "jti", "client_id", "scope", "tsg_id", "credential_id"]


def ask(metadata, form):
    form = {"grant_type": "client_credentials", **form}
    return requests.post(metadata["token_endpoint"], data=form, timeout=TIMEOUT_SECONDS)


def verify(token, keys, **rules):
    """The access token as a resource server reads it (RFC 9068 §4)."""
    key = keys.get_signing_key_from_jwt(token)
    assert jwt.get_unverified_header(token)["typ"] == "at+jwt", token
    rules = {"algorithms": ["RS256"], "issuer": URL, "audience": URL, "subject": CLIENT_ID, **rules}
    return jwt.decode(token, key, options={"require": CLAIMS}, **rules)


def assertion(key, algorithm, **claims):
    now = int(time.time())
    claims = {"iss": CLIENT_ID, "sub": CLIENT_ID, "aud": URL, "iat": now, "exp": now + 60, "jti": str(uuid.uuid4()), **claims}
    return jwt.encode(claims, key, algorithm=algorithm, headers={"kid": f"PyJWT {algorithm}"})


def by_assertion(metadata, text):
    return ask(metadata, {"client_assertion_type": JWT_BEARER, "client_assertion": text})


def put_keys(token, pairs):
    """The public halves, in the place of whatever keys the account has."""
    bearer = {"Authorization": f"Bearer {token}"}
    account = requests.get(f"{URL}/v1/whoami", headers=bearer, timeout=TIMEOUT_SECONDS).json()["service_account_id"]
    keys = []
    for algorithm, key in pairs.items():
        written = json.loads(jwt.get_algorithm_by_name(algorithm).to_jwk(key.public_key()))
        keys.append({**written, "alg": algorithm, "kid": f"PyJWT {algorithm}"})
    answer = requests.put(
        f"{ACCOUNTS}/{account}/jwks",
        json={"keys": keys},
        headers={**bearer, "If-Match": "*"},
        timeout=TIMEOUT_SECONDS,
    )
    assert answer.status_code == 200, answer.text


def main():
    metadata = requests.get(f"{URL}/.well-known/openid-configuration", timeout=TIMEOUT_SECONDS).json()
    keys = jwt.PyJWKClient(metadata["jwks_uri"], timeout=TIMEOUT_SECONDS)
    assert len(keys.get_signing_keys()) >= 1
    answer = ask(metadata, {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET})
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    claims = verify(token, keys)
    assert claims["client_id"] == CLIENT_ID and claims["tsg_id"] == TSG_ID, claims
    assert claims["exp"] - claims["iat"] == answer.json()["expires_in"], claims

    # The controls: the very same verifier refuses what was changed and what is meant for others.
    start, signature = token.rsplit(".", 1)
    expect(jwt.InvalidSignatureError, verify, f"{start}.{signature[:-8]}AAAAAAAA", keys)
    expect(jwt.InvalidAudienceError, verify, token, keys, audience="https://other.example")
    expect(jwt.InvalidIssuerError, verify, token, keys, issuer=f"{URL}/")
    expect(jwt.InvalidAlgorithmError, verify, token, keys, algorithms=["HS256", "ES256"])

    rsa_key = rsa.generate_private_key(65537, 2048)
    pairs = {
        "RS256": rsa_key,
        "ES256": ec.generate_private_key(ec.SECP256R1()),
        "ES384": ec.generate_private_key(ec.SECP384R1()),
        "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    }
    for algorithm in ("RS384", "RS512", "PS256", "PS384", "PS512"):
        pairs[algorithm] = rsa.generate_private_key(65537, 2048)
    # PyJWT calls Ed25519 by the name of RFC 8037 alone.
    assert set(pairs) == set(metadata["token_endpoint_auth_signing_alg_values_supported"]) - {"Ed25519"}, metadata
    put_keys(token, pairs)
    for algorithm, key in pairs.items():
        good = assertion(key, algorithm)
        answer = by_assertion(metadata, good)
        assert answer.status_code == 200, answer.text
        assert verify(answer.json()["access_token"], keys)["credential_id"].startswith("jkt:")
        bad = [
            good,
            assertion(key, algorithm, aud=metadata["token_endpoint"]),
            assertion(key, algorithm, exp=int(time.time()) + 3600),
            assertion(key, algorithm, iss="somebody"),
        ]
        for text in bad:
            answer = by_assertion(metadata, text)
            assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client"), answer.text
    answer = by_assertion(metadata, assertion(rsa_key, "PS256"))
    assert answer.status_code == 401, "a key is for its own algorithm"

    with requests.Session() as manager:
        manager.headers["Authorization"] = f"Bearer {token}"
        status_list.walk(metadata, keys, manager, ACCOUNTS, lambda text, of=CLIENT_ID: verify(text, keys, subject=of))
    introspection.walk(metadata, keys, (CLIENT_ID, CLIENT_SECRET), token)


main()
