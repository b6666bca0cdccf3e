"""requests-oauthlib, which raises when a server changes the scope it was asked for: get tokens, use them, take them back, be refused.

It knows no discovery, so the addresses it needs are read from the metadata for it. It makes a revocation, but leaves it to others to
send it, and has nothing for introspection.
"""

import os
import time

import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

URL = os.environ["CARNET_URL"]
TSG_ID = os.environ["CARNET_TSG_ID"]
CLIENT_ID = os.environ["CARNET_CLIENT_ID"]
CLIENT_SECRET = os.environ["CARNET_CLIENT_SECRET"]
CERTIFICATE_FILE = os.environ.get("CARNET_CLIENT_CERTIFICATE_FILE")
TIMEOUT_SECONDS = 10

if URL.startswith("http:"):
    os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"


def by_basic(secret):
    return {"auth": HTTPBasicAuth(CLIENT_ID, secret)}


def by_post(secret):
    return {"client_secret": secret, "include_client_id": True}


def fetch(metadata, proof, scope=None, **parameters):
    session = OAuth2Session(client=BackendApplicationClient(CLIENT_ID, scope=scope))
    token = session.fetch_token(metadata["token_endpoint"], timeout=TIMEOUT_SECONDS, **proof, **parameters)
    return session, token


def walk(metadata, proof, scope, **parameters):
    session, token = fetch(metadata, proof, scope, **parameters)
    assert token["token_type"] == "Bearer", token
    assert 0 < token["expires_in"] <= 900, token
    # oauthlib makes a list of it.
    assert list(token["scope"]) == (scope or [f"tsg_id:{TSG_ID}"]), token["scope"]
    caller = session.get(f"{URL}/v1/whoami", timeout=TIMEOUT_SECONDS)
    assert caller.status_code == 200, caller.text
    assert caller.json()["client_id"] == CLIENT_ID and caller.json()["tsg_id"] == TSG_ID, caller.text
    assert caller.json()["audience"] == URL, caller.text


def be_refused(metadata, proof, code, scope=None, **parameters):
    try:
        fetch(metadata, proof, scope, **parameters)
    except OAuth2Error as error:
        assert error.error == code, error
    else:
        raise AssertionError(f"{code} was expected")


def whoami(token, **connection):
    headers = {"Authorization": f"Bearer {token['access_token']}"}
    return requests.get(f"{URL}/v1/whoami", headers=headers, timeout=TIMEOUT_SECONDS, **connection).status_code


def revoke(metadata, token, **connection):
    """A revocation (RFC 7009) as oauthlib makes it: the address, the headers and the body."""
    client = BackendApplicationClient(CLIENT_ID)
    address, headers, body = client.prepare_token_revocation_request(metadata["revocation_endpoint"], token["access_token"])
    answer = requests.post(address, headers=headers, data=body, timeout=TIMEOUT_SECONDS, **connection)
    return answer.status_code


def take_back(metadata, wrong):
    _, token = fetch(metadata, by_basic(CLIENT_SECRET))
    _, other = fetch(metadata, by_basic(CLIENT_SECRET))
    assert revoke(metadata, token, **by_basic(wrong)) == 401
    assert whoami(token) == 200, "somebody with a wrong secret has revoked it"
    assert revoke(metadata, token, **by_basic(CLIENT_SECRET)) == 200
    assert (whoami(token), whoami(other)) == (401, 200)


def walk_by_certificate(metadata):
    """An account that proves itself by its connection and says no more than its name (RFC 8705 §2)."""
    session, _ = fetch(metadata, by_basic(CLIENT_SECRET))
    accounts = f"{URL}/v1/tenants/{TSG_ID}/service-accounts"
    account = session.post(accounts, json={"name": f"requests-oauthlib {time.time_ns()}"}, timeout=TIMEOUT_SECONDS).json()
    url, name = f"{accounts}/{account['id']}", {"tls_client_auth_subject_dn": "CN=demo"}
    answer = session.put(f"{url}/certificates", json=name, headers={"If-Match": "*"}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text

    own = OAuth2Session(client=BackendApplicationClient(account["client_id"]))
    asked = {"include_client_id": True, "timeout": TIMEOUT_SECONDS}
    token = own.fetch_token(metadata["token_endpoint"], cert=CERTIFICATE_FILE, **asked)
    assert (whoami(token, cert=CERTIFICATE_FILE), whoami(token)) == (200, 401), "it is bound to the certificate"
    try:
        own.fetch_token(metadata["token_endpoint"], **asked)
    except OAuth2Error as error:
        assert error.error == "invalid_client", error
    else:
        raise AssertionError("no certificate got a token")

    answer = session.delete(url, headers={"If-Match": "*"}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
    assert whoami(token, cert=CERTIFICATE_FILE) == 401, "the account is gone"


def main():
    answer = requests.get(f"{URL}/.well-known/oauth-authorization-server", timeout=TIMEOUT_SECONDS)
    metadata = answer.json()
    wrong = CLIENT_SECRET[:-1] + ("0" if CLIENT_SECRET[-1] != "0" else "1")
    for proof in (by_basic, by_post):
        for scope in (None, [f"tsg_id:{TSG_ID}"], [f"tsg_id:{TSG_ID}", "email", "profile"], ["openid"]):
            walk(metadata, proof(CLIENT_SECRET), scope)
        walk(metadata, proof(CLIENT_SECRET), None, resource=URL)
        be_refused(metadata, proof(wrong), "invalid_client")
        be_refused(metadata, proof(CLIENT_SECRET), "invalid_scope", ["admin"])
        be_refused(metadata, proof(CLIENT_SECRET), "invalid_target", resource="urn:nobody")
    # Somebody who is not there looks as somebody with a wrong secret does.
    be_refused(metadata, {"auth": HTTPBasicAuth(f"nobody@{TSG_ID}.iam.carnet.local", CLIENT_SECRET)}, "invalid_client")
    take_back(metadata, wrong)
    if CERTIFICATE_FILE:
        walk_by_certificate(metadata)


main()
