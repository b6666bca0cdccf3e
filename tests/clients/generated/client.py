"""The client that openapi-python-client makes of `openapi.yaml` walks the main path: from a new service account to a revoked key.

Every request is a generated function and every answer a generated model; whatever the document leaves out is missing here.
The demo tenant is left as it was found, but for a role (roles cannot be deleted) and the row of the revoked key.
"""

import base64
import os
import time
import uuid

from carnet_client import AuthenticatedClient, Client
from carnet_client.api.access_policies import create_access_policy, delete_access_policy, get_access_policy
from carnet_client.api.api_keys import create_api_key, get_api_key, revoke_api_key
from carnet_client.api.caller import whoami
from carnet_client.api.catalogue import list_products
from carnet_client.api.discovery import get_oauth_metadata
from carnet_client.api.roles import create_role
from carnet_client.api.service_accounts import create_service_account, delete_service_account, get_service_account
from carnet_client.api.tokens import issue_token
from carnet_client.models import (
    AllProducts,
    ApiKeyStatus,
    NewAccessPolicy,
    NewApiKey,
    NewRole,
    NewServiceAccount,
    Revocation,
    SecretStatus,
    TokenRequest,
    TokenRequestGrantType,
)

URL = os.environ["CARNET_URL"]
TSG_ID = os.environ["CARNET_TSG_ID"]
PRODUCT = "advanced_wildfire"
NAME = f"walk-{uuid.uuid4().hex[:12]}"
WAIT_SECONDS = 30
CLIENT = {"base_url": URL, "timeout": WAIT_SECONDS, "raise_on_unexpected_status": True}


def expect(answer, *statuses):
    assert answer.status_code in statuses, f"{answer.status_code.value}: {answer.parsed}"
    return answer.parsed


def until(status, read):
    """Reads until the status is as wanted, and returns what it read then."""
    deadline = time.monotonic() + WAIT_SECONDS
    while True:
        seen = read()
        if seen == status:
            return
        assert time.monotonic() < deadline, f"still {seen} after {WAIT_SECONDS} s"
        time.sleep(0.1)


def get_token(client_id, client_secret, **parameters):
    """A token by Basic, whose scheme the generated client knows as a prefix."""
    credentials = base64.b64encode(f"{client_id}:{client_secret}".encode()).decode()
    basic = AuthenticatedClient(token=credentials, prefix="Basic", **CLIENT)
    request = TokenRequest(grant_type=TokenRequestGrantType.CLIENT_CREDENTIALS, **parameters)
    return expect(issue_token.sync_detailed(client=basic, body=request), 200)


def bearer(token):
    return AuthenticatedClient(token=token.access_token, **CLIENT)


def create_account(admin):
    account = expect(
        create_service_account.sync_detailed(TSG_ID, client=admin, body=NewServiceAccount(name=NAME, description="A walk")), 201
    )
    assert account.name == NAME and account.tsg_id == TSG_ID and account.enabled, account.name
    [secret] = account.secrets
    assert account.client_secret.startswith(f"carnet_client_{secret.credential_id}_"), "the secret does not name its id"
    return account


def permit(admin, account):
    """Gives the account what a key for the product needs."""
    permissions = ["iam.service_account", "iam.custom_role"]
    role = expect(create_role.sync_detailed(TSG_ID, client=admin, body=NewRole(name=NAME, permissions=permissions)), 201)
    assert sorted(role.permissions) == sorted(permissions) and not role.predefined, role
    grant = NewAccessPolicy(principal=account.client_id, role=role.name, products=AllProducts.ALL)
    policy = expect(create_access_policy.sync_detailed(TSG_ID, client=admin, body=grant), 201)
    assert policy.principal == account.client_id and policy.products == AllProducts.ALL and policy.warnings == [], policy
    return policy


def create_key(admin, account):
    """A key; asking twice with one idempotency key does not make two."""
    body = NewApiKey(product=PRODUCT, service_account_id=account.id, name=NAME)
    key = expect(create_api_key.sync_detailed(TSG_ID, client=admin, body=body, idempotency_key=NAME), 201)
    assert key.status == ApiKeyStatus.PENDING and key.service_account_id == account.id, key
    again = create_api_key.sync_detailed(TSG_ID, client=admin, body=body, idempotency_key=NAME)
    assert expect(again, 201).api_key_id == key.api_key_id, "the replay made another key"
    assert again.headers["Idempotent-Replayed"] == "true", again.headers
    return key


def read_key(admin, key):
    return expect(get_api_key.sync_detailed(TSG_ID, key.api_key_id, client=admin), 200)


def read_account(admin, account):
    return expect(get_service_account.sync_detailed(TSG_ID, account.id, client=admin), 200)


def use(admin, account, key):
    """The key and the secret turn valid, and the account gets a token that says so."""
    until(ApiKeyStatus.VALID, lambda: read_key(admin, key).status)
    until(SecretStatus.VALID, lambda: read_account(admin, account).secrets[0].status)
    machine = bearer(get_token(account.client_id, account.client_secret))
    caller = expect(whoami.sync_detailed(client=machine), 200)
    assert caller.api_key_id == key.api_key_id and caller.product == PRODUCT, caller
    assert caller.client_id == account.client_id and caller.service_account_id == account.id, caller
    products = expect(list_products.sync_detailed(client=admin, limit=200), 200).items
    assert caller.audience in [product.audience for product in products if product.product == PRODUCT], caller.audience
    return machine


def revoke(admin, key):
    """Revokes, and waits out the 202 of a server whose instances are slow to hear. A key that is revoked already stays so."""
    answer = revoke_api_key.sync_detailed(TSG_ID, key.api_key_id, client=admin, body=Revocation(reason="the walk is over"))
    expect(answer, 200, 202)
    until(ApiKeyStatus.REVOKED, lambda: read_key(admin, key).status)
    assert read_key(admin, key).revoke_reason == "the walk is over"


def be_refused(machine):
    """The token still has minutes to live, but its key has not."""
    problem = expect(whoami.sync_detailed(client=machine), 401)
    assert problem.code == "invalid_token" and problem.status == 401, problem


def clean_up(admin, account, policy):
    etag = get_access_policy.sync_detailed(TSG_ID, policy.id, client=admin).headers["ETag"]
    expect(delete_access_policy.sync_detailed(TSG_ID, policy.id, client=admin, if_match=etag), 200, 202)
    etag = get_service_account.sync_detailed(TSG_ID, account.id, client=admin).headers["ETag"]
    expect(delete_service_account.sync_detailed(TSG_ID, account.id, client=admin, if_match=etag), 200, 202)
    gone = expect(get_service_account.sync_detailed(TSG_ID, account.id, client=admin), 404)
    assert gone.code == "not_found", gone


def main():
    metadata = expect(get_oauth_metadata.sync_detailed(client=Client(**CLIENT)), 200)
    token = get_token(os.environ["CARNET_CLIENT_ID"], os.environ["CARNET_CLIENT_SECRET"], resource=metadata.issuer)
    admin = bearer(token)
    account = create_account(admin)
    policy = permit(admin, account)
    key = create_key(admin, account)
    try:
        machine = use(admin, account, key)
    finally:
        # Also when the walk stumbles: a tenant has one key of a product, and the next walk needs it.
        revoke(admin, key)
    be_refused(machine)
    clean_up(admin, account, policy)


main()
