"""requests-oauthlib, which raises when a server changes the scope it was asked for: get tokens, use them, be refused.

It knows no discovery, so the two addresses it needs are read from the metadata for it.
"""

import os

import requests
from oauthlib.oauth2 import BackendApplicationClient, OAuth2Error
from requests.auth import HTTPBasicAuth
from requests_oauthlib import OAuth2Session

URL = os.environ["CARNET_URL"]
TSG_ID = os.environ["CARNET_TSG_ID"]
CLIENT_ID = os.environ["CARNET_CLIENT_ID"]
CLIENT_SECRET = os.environ["CARNET_CLIENT_SECRET"]
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


main()
