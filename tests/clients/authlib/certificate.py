"""An account that proves itself by a certificate (RFC 8705). Authlib sends the name of the client, the connection the rest."""

import base64
import hashlib
import ssl
import time

from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session

import telling

TIMEOUT_SECONDS = 10


def thumbprint(file):
    """The `x5t#S256` of the first certificate in it (RFC 8705 §3.1)."""
    with open(file, encoding="ascii") as text:
        start, end, _ = text.read().partition("-----END CERTIFICATE-----\n")
    digest = hashlib.sha256(ssl.PEM_cert_to_DER_cert(start + end)).digest()
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode()


def by_certificate(client_id, file):
    session = OAuth2Session(client_id, token_endpoint_auth_method="none", revocation_endpoint_auth_method="none")
    session.cert = file
    return session


def make_account(manager, accounts):
    answer = manager.post(accounts, json={"name": f"Authlib {time.time_ns()}"}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 201, answer.text
    account = answer.json()
    name = {"tls_client_auth_subject_dn": "CN=demo"}
    url = f"{accounts}/{account['id']}/certificates"
    answer = manager.put(url, json=name, headers={"If-Match": "*"}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
    return account


def walk(metadata, manager, accounts, file, claims_of):
    """`manager` is a session with a token; it makes the account among `accounts`, and deletes it."""
    account = make_account(manager, accounts)
    client_id = account["client_id"]
    session = by_certificate(client_id, file)
    for endpoint in ("token", "introspection", "revocation"):
        assert "tls_client_auth" in metadata[f"{endpoint}_endpoint_auth_methods_supported"], metadata
    token = session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", timeout=TIMEOUT_SECONDS)
    claims = claims_of(token["access_token"], client_id)
    assert claims["cnf"] == {"x5t#S256": thumbprint(file)}, claims
    assert claims["credential_id"].startswith("x5n:"), claims

    whoami = f"{metadata['issuer']}/v1/whoami"
    assert session.get(whoami, timeout=TIMEOUT_SECONDS).json()["client_id"] == client_id
    session.cert = None
    assert session.get(whoami, timeout=TIMEOUT_SECONDS).status_code == 401, "it is bound to the certificate"
    telling.be_refused(metadata, session, token["access_token"])
    try:
        session.fetch_token(metadata["token_endpoint"], grant_type="client_credentials", timeout=TIMEOUT_SECONDS)
    except OAuthError as error:
        assert error.error == "invalid_client", error
    else:
        raise AssertionError("no certificate got a token")

    telling.walk(metadata, by_certificate(client_id, file), lambda text: claims_of(text, client_id))
    answer = manager.delete(f"{accounts}/{account['id']}", headers={"If-Match": "*"}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
    session.cert = file
    assert session.get(whoami, timeout=TIMEOUT_SECONDS).status_code == 401, "the account is gone"
