//! `/v1/tenants/{tsg_id}/api-keys`.

use std::net::IpAddr;

use actix_web::{HttpResponse, web};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::access_key_csv::{self, Wanted};
use super::answer::{self, Answer, Version};
use crate::domain::key::KeyStatus;
use crate::domain::key_policy::{KeyStyle, SecurityLevel};
use crate::domain::secret::Secret;
use crate::domain::tenant::TsgId;
use crate::http::ask::Ask;
use crate::http::body::{Creating, Json, Optional};
use crate::http::cursor::{Key, Paging};
use crate::http::etag::{Changing, IfMatch};
use crate::http::problem::Problem;
use crate::manage::api_keys::change::ApiKeyChange;
use crate::manage::api_keys::create::{CreatedApiKey, NewApiKey};
use crate::manage::api_keys::regenerate::Regeneration;
use crate::manage::api_keys::revoke::Revocation;
use crate::manage::{Manage, Patience, Withdrawn};
use crate::store::api_keys::ApiKey;

const WITHOUT_GRANT: &str =
    "The service account no longer has an access policy for all products in this tenant.";
const WITHOUT_ROLE: &str =
    "The service account holds all products only without a role, and so without any permission.";

/// A number in a string: some clients read long numbers wrong.
#[derive(Deserialize)]
#[serde(try_from = "String")]
pub struct ApiKeyId(pub i64);

impl TryFrom<String> for ApiKeyId {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Key::read(&text).map(Self).ok_or("the id of an API key is a number")
    }
}

#[derive(Serialize)]
pub(super) struct Shown {
    api_key_id: String,
    tsg_id: TsgId,
    product: String,
    name: Option<String>,
    status: KeyStatus,
    key_style: KeyStyle,
    service_account_id: Option<Uuid>,
    client_id: Option<String>,
    role: Option<String>,
    security_level: Option<SecurityLevel>,
    replaces: Option<String>,
    comment: Option<String>,
    expires_at: Option<Timestamp>,
    created_at: Timestamp,
    created_by: String,
    status_changed_at: Timestamp,
    revoked_at: Option<Timestamp>,
    revoke_reason: Option<String>,
    last_used_at: Option<Timestamp>,
    last_used_address: Option<IpAddr>,
    warnings: Vec<&'static str>,
}

impl From<ApiKey> for Shown {
    fn from(key: ApiKey) -> Self {
        let client_id = key.client_id().map(str::to_owned);
        let warnings = [(key.without_grant, WITHOUT_GRANT), (key.without_role, WITHOUT_ROLE)];
        let warnings = warnings.into_iter().filter_map(|(holds, text)| holds.then_some(text)).collect();
        Self {
            api_key_id: key.api_key_id.to_string(),
            tsg_id: key.tsg_id,
            product: key.product,
            name: key.name,
            status: key.status,
            key_style: key.key_style,
            service_account_id: key.service_account_id,
            client_id,
            role: key.role,
            security_level: key.security_level,
            replaces: key.replaces.map(|id| id.to_string()),
            comment: key.comment,
            expires_at: key.expires_at,
            created_at: key.created_at,
            created_by: key.created_by,
            status_changed_at: key.status_changed_at,
            revoked_at: key.revoked_at,
            revoke_reason: key.revoke_reason,
            last_used_at: key.last_used_at,
            last_used_address: key.last_used_address,
            warnings,
        }
    }
}

/// A key, and its secret the one time that it is shown.
#[derive(Serialize)]
pub(super) struct CreatedShown<'a> {
    #[serde(flatten)]
    key: Shown,
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<&'a str>,
}

/// What is shown of a key that was made.
pub(super) fn created(made: &CreatedApiKey) -> CreatedShown<'_> {
    CreatedShown { key: Shown::from(made.key.clone()), secret: made.secret.as_ref().map(Secret::expose) }
}

fn version(key: &ApiKey) -> Version {
    Version::Revision(key.revision)
}

fn location(tsg_id: &TsgId, id: i64) -> String {
    format!("/v1/tenants/{tsg_id}/api-keys/{id}")
}

pub async fn list(manage: web::Data<Manage>, ask: Ask<TsgId, Paging<i64>>) -> Result<HttpResponse, Problem> {
    answer::page(manage.list_api_keys(&ask.caller, &ask.path, &ask.rest.page).await?, &ask.rest, Shown::from)
}

pub async fn create(
    manage: web::Data<Manage>,
    ask: Ask<TsgId, (Creating<NewApiKey>, Wanted)>,
) -> Result<HttpResponse, Problem> {
    let (Creating { new, once }, wanted) = ask.rest;
    let made = manage.create_api_key(&ask.caller, &ask.path, &new, once.as_ref()).await?;
    let key = &made.value.key;
    let answer = Answer::created(location(&ask.path, key.api_key_id)).replayed(made.replayed);
    match wanted {
        Wanted::Csv if key.key_style == KeyStyle::AccessKey => {
            answer.csv(access_key_csv::of(&made.value), key.api_key_id)
        }
        Wanted::Csv | Wanted::Json => answer.thing(&created(&made.value), version(key)),
    }
}

pub async fn find(manage: web::Data<Manage>, ask: Ask<(TsgId, ApiKeyId)>) -> Result<HttpResponse, Problem> {
    let (tsg_id, ApiKeyId(id)) = ask.path;
    let key = manage.api_key(&ask.caller, &tsg_id, id).await?;
    let version = version(&key);
    Answer::ok().thing(&Shown::from(key), version)
}

pub async fn change(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, ApiKeyId), Changing<ApiKeyChange>>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, ApiKeyId(id)) = ask.path;
    let ((IfMatch(expected), patience), Json(change)) = ask.rest;
    let changed = manage.change_api_key(&ask.caller, &tsg_id, id, &expected, &change, patience).await?;
    let (answer, version) = (answer::withdrawn(&changed, &tsg_id), version(&changed.value));
    answer.thing_and_receipt(Shown::from(changed.value), version, changed.receipt.as_ref())
}

pub async fn receipt(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, ApiKeyId)>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, ApiKeyId(id)) = ask.path;
    answer::plain(&manage.receipt_of_api_key(&ask.caller, &tsg_id, id).await?)
}

pub async fn revoke(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, ApiKeyId), (Patience, Optional<Revocation>)>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, ApiKeyId(id)) = ask.path;
    let (patience, Optional { body, once }) = ask.rest;
    let made = manage.revoke_api_key(&ask.caller, &tsg_id, id, &body, once.as_ref(), patience).await?;
    let everywhere = made.value.is_everywhere();
    let Withdrawn { value: key, receipt } = made.value;
    let answer = if everywhere {
        Answer::ok()
    } else {
        Answer::accepted(format!("{}/receipt", location(&tsg_id, id)))
    };
    let version = version(&key);
    answer.replayed(made.replayed).thing_and_receipt(Shown::from(key), version, receipt.as_ref())
}

pub async fn deactivate(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, ApiKeyId), Patience>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, ApiKeyId(id)) = ask.path;
    let off = manage.deactivate_api_key(&ask.caller, &tsg_id, id, ask.rest).await?;
    let (answer, version) = (answer::withdrawn(&off, &tsg_id), version(&off.value));
    answer.thing_and_receipt(Shown::from(off.value), version, off.receipt.as_ref())
}

pub async fn activate(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, ApiKeyId)>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, ApiKeyId(id)) = ask.path;
    let key = manage.activate_api_key(&ask.caller, &tsg_id, id).await?;
    let version = version(&key);
    Answer::ok().thing(&Shown::from(key), version)
}

pub async fn regenerate(
    manage: web::Data<Manage>,
    ask: Ask<(TsgId, ApiKeyId), (Patience, Optional<Regeneration>)>,
) -> Result<HttpResponse, Problem> {
    let (tsg_id, ApiKeyId(id)) = ask.path;
    let (patience, Optional { body, once }) = ask.rest;
    let made = manage.regenerate_api_key(&ask.caller, &tsg_id, id, &body, once.as_ref(), patience).await?;
    let Withdrawn { value, receipt } = &made.value;
    let answer = Answer::created(location(&tsg_id, value.key.api_key_id)).replayed(made.replayed);
    answer.thing_and_receipt(created(value), version(&value.key), receipt.as_ref())
}
