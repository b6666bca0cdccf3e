"""PyJWT as a verifier of signed answers about tokens (RFC 9701)."""

import jwt
import requests

from refusal import expect

TIMEOUT_SECONDS = 10
SIGNED = "application/token-introspection+jwt"


def read(answer, keys, **rules):
    """The answer, and what it says of the token (RFC 9701 §5)."""
    assert jwt.get_unverified_header(answer)["typ"] == "token-introspection+jwt", answer
    key = keys.get_signing_key_from_jwt(answer)
    required = {"require": ["iss", "aud", "iat", "token_introspection"]}
    said = jwt.decode(answer, key, algorithms=["RS256"], options=required, **rules)
    assert said.keys().isdisjoint({"sub", "exp"}), f"it could be taken for an access token: {said}"
    return said["token_introspection"]


def walk(metadata, keys, client, token):
    """`client` is an id and a secret, `token` one of its tokens; it is taken back."""
    assert metadata["introspection_signing_alg_values_supported"] == ["RS256"], metadata

    def ask(endpoint, text):
        form = {"token": text, "token_type_hint": "access_token"}
        url = metadata[f"{endpoint}_endpoint"]
        answer = requests.post(url, data=form, auth=client, headers={"Accept": SIGNED}, timeout=TIMEOUT_SECONDS)
        assert answer.status_code == 200, answer.text
        return answer

    rules = {"issuer": metadata["issuer"], "audience": client[0]}
    answer = ask("introspection", token)
    assert answer.headers["Content-Type"] == SIGNED, answer.headers
    claims = jwt.decode(token, options={"verify_signature": False})
    assert read(answer.text, keys, **rules) == {**claims, "active": True, "token_type": "Bearer"}

    # The controls: what was changed, what is for others, and what is no answer at all.
    start, signature = answer.text.rsplit(".", 1)
    expect(jwt.InvalidSignatureError, read, f"{start}.{signature[:-8]}AAAAAAAA", keys, **rules)
    expect(jwt.InvalidAudienceError, read, answer.text, keys, **{**rules, "audience": "somebody else"})
    expect(jwt.InvalidIssuerError, read, answer.text, keys, **{**rules, "issuer": "https://other.example"})
    expect(AssertionError, read, token, keys, **rules)

    assert read(ask("introspection", f"{token[:-8]}AAAAAAAA").text, keys, **rules) == {"active": False}
    assert ask("revocation", token).content == b""
    assert read(ask("introspection", token).text, keys, **rules) == {"active": False}
