"""PyJWT as a verifier that works offline and learns of a lost secret by the status list (draft-ietf-oauth-status-list §8.3)."""

import base64
import time
import zlib

import jwt
import requests

from refusal import expect

TIMEOUT_SECONDS = 10
MEDIA_TYPE = "application/statuslist+jwt"


def read(text, uri, keys, issuer):
    """The list, and for how many seconds it may be kept (§5.1)."""
    assert jwt.get_unverified_header(text)["typ"] == "statuslist+jwt", text
    key = keys.get_signing_key_from_jwt(text)
    required = {"require": ["sub", "iat", "exp", "ttl", "status_list"]}
    said = jwt.decode(text, key, algorithms=["RS256"], issuer=issuer, subject=uri, options=required)
    assert said["status_list"]["bits"] == 1, said["status_list"]
    packed = said["status_list"]["lst"]
    return zlib.decompress(base64.urlsafe_b64decode(packed + "=" * (-len(packed) % 4))), said["ttl"]


def fetch(place, keys, issuer):
    answer = requests.get(place["uri"], headers={"Accept": MEDIA_TYPE}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
    assert answer.headers["Content-Type"] == MEDIA_TYPE, answer.headers
    return answer.text, *read(answer.text, place["uri"], keys, issuer)


def is_set(bits, place):
    """The first bit is the least significant one of the first byte (§4.1)."""
    return bool(bits[place["idx"] // 8] >> place["idx"] % 8 & 1)


def walk(metadata, keys, manager, accounts, verify):
    """`manager` is a session that may make an account among `accounts`; `verify` reads a token of a client offline."""
    issuer = metadata["issuer"]
    account = manager.post(accounts, json={"name": f"PyJWT {time.time_ns()}"}, timeout=TIMEOUT_SECONDS).json()
    form = {"grant_type": "client_credentials", "client_id": account["client_id"], "client_secret": account["client_secret"]}
    deadline = time.monotonic() + TIMEOUT_SECONDS
    while (answer := requests.post(metadata["token_endpoint"], data=form, timeout=TIMEOUT_SECONDS)).status_code == 503:
        assert time.monotonic() < deadline, answer.text
        time.sleep(0.1)
    token = answer.json()["access_token"]
    place = verify(token, account["client_id"])["status"]["status_list"]
    mine = verify(manager.headers["Authorization"].split()[1])["status"]["status_list"]
    assert place != mine, "two accounts share a bit"

    listed = requests.get(metadata["status_list_aggregation_endpoint"], timeout=TIMEOUT_SECONDS).json()
    assert place["uri"] in listed["status_lists"], listed
    text, bits, ttl = fetch(place, keys, issuer)
    assert not is_set(bits, place)
    start, signature = text.rsplit(".", 1)
    expect(jwt.InvalidSignatureError, read, f"{start}.{signature[:-8]}AAAAAAAA", place["uri"], keys, issuer)
    expect(jwt.exceptions.InvalidSubjectError, read, text, f"{place['uri']}0", keys, issuer)
    expect(AssertionError, read, token, place["uri"], keys, issuer)

    [secret] = account["secrets"]
    url = f"{accounts}/{account['id']}"
    answer = manager.delete(f"{url}/secrets/{secret['credential_id']}", headers={"If-Match": "*"}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
    verify(token, account["client_id"])  # The keys alone do not tell.
    deadline = time.monotonic() + ttl
    while not is_set(fetch(place, keys, issuer)[1], place):
        assert time.monotonic() < deadline, f"the bit is not set after {ttl} s"
        time.sleep(0.5)
    assert not is_set(fetch(mine, keys, issuer)[1], mine), "a bit is set of somebody whose secret is good"
    answer = manager.delete(url, headers={"If-Match": "*"}, timeout=TIMEOUT_SECONDS)
    assert answer.status_code == 200, answer.text
