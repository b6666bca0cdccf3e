//! Token exchange (RFC 8693): an access token of ours for another one that is good for less, or that says who acts with it.
//!
//! | who exchanges it | and gets |
//! |---|---|
//! | the subject, by what the token was issued for | a narrower token of its own |
//! | the actor of now, by what it acts by | a narrower delegated token |
//! | the subject by something else, or an actor whom the subject's account has named | a token with one more actor in `act` |
//! | anybody else | `invalid_request` |
//!
//! Nobody becomes somebody else: `sub` and what the subject proved itself by stay as they are, and whoever acts is named with its
//! own. A token that is bound is exchanged for one that is bound, to what its client shows (RFC 9449, RFC 8705). Nothing becomes
//! wider: the audience and the key stay, the tenant is the same or further down, roles and words of the
//! scope are those of before or fewer, and the end is the same or earlier.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;

use super::authenticate::Proven;
use super::client_credentials::Entitlement;
use super::scope::Scope;
use super::{Asked, IssuedToken, TokenError, TokenIssuer, Unproven, pending};
use crate::directory::{Served, Verdict};
use crate::domain::credential_id::CredentialId;
use crate::domain::record::Record;
use crate::token::act::{Actor, MAX_ACTORS};
use crate::token::claims::{AccessClaims, Audience};
use crate::verify::{Verified, VerifyError};

/// RFC 8693 §3.
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";
/// RFC 8693 §3. Access tokens are JWTs, so both names are right for what comes in.
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

/// How often in turn a token may be exchanged.
const MOST_EXCHANGES: usize = 4;

/// What is to be exchanged (RFC 8693 §2.1).
#[derive(Clone, Copy, Debug)]
pub struct Exchange<'a> {
    subject: Presented<'a>,
    actor: Option<Presented<'a>>,
    audience: Option<&'a str>,
}

/// A token as it was sent. Cannot be printed: who has it is its bearer.
#[derive(Clone, Copy)]
struct Presented<'a>(&'a str);

impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Presented(…)")
    }
}

/// The client that has proved itself.
struct Client {
    record: Arc<Record>,
    proven: Proven,
}

impl<'a> Exchange<'a> {
    /// Reads the parameters, and refuses what is not offered.
    pub(super) fn read(
        only: impl Fn(&str) -> Result<Option<&'a str>, TokenError>,
    ) -> Result<Self, TokenError> {
        let invalid = |why| Err(TokenError::InvalidRequest(why));
        let is_ours = |kind: &str| [ACCESS_TOKEN, JWT].contains(&kind);
        let subject = match (only("subject_token")?, only("subject_token_type")?) {
            (Some(token), Some(kind)) if is_ours(kind) => Presented(token),
            (Some(_), Some(_)) => return invalid("subject_token must be an access token"),
            _ => return invalid("subject_token and subject_token_type are needed"),
        };
        let actor = match (only("actor_token")?, only("actor_token_type")?) {
            (None, None) => None,
            (Some(token), Some(kind)) if is_ours(kind) => Some(Presented(token)),
            (Some(_), Some(_)) => return invalid("actor_token must be an access token"),
            _ => return invalid("actor_token and actor_token_type come together"),
        };
        if only("requested_token_type")?.is_some_and(|kind| kind != ACCESS_TOKEN) {
            return invalid("Only access tokens are issued");
        }
        // RFC 8693 §2.1 allows several; one token cannot be for all of them.
        let audience = only("audience").map_err(|_| TokenError::InvalidTarget)?;
        Ok(Self { subject, actor, audience })
    }
}

impl TokenIssuer {
    /// Answers an exchange.
    pub(super) async fn token_exchange(
        &self,
        exchange: Exchange<'_>,
        asked: &Asked<'_>,
    ) -> Result<IssuedToken, TokenError> {
        let Asked { proof, scope, .. } = asked;
        let client = self.admit(proof, |record, proven, _| authenticated(record, proven)).await?;
        let cnf = asked.holder.confirmation(&client.value.record)?;
        self.use_up(asked).await?;
        let (record, credential_id) = (&client.value.record, client.value.proven.credential_id);
        self.rehash(record, credential_id, proof);
        self.note(record, credential_id, asked.from, client.now);
        let subject = self.subject(exchange.subject, proof.client_id()).await?;
        let acts_until = self.acts_until(exchange.actor, proof.client_id()).await?;
        let judged = subject.and(client);
        let (subject, client) = &judged.value;
        if subject.claims.cnf.is_some() && cnf.is_none() {
            return Err(no_bearers_token());
        }
        let entitlement = still_entitled(subject, judged.now)?;
        aimed(&entitlement, &self.issuer, [asked.resource, exchange.audience])?;
        let tenant = self.narrowed_tenant(subject, scope).await?;
        let act = acting(&subject.claims, proof.client_id(), client.proven.credential_id)?;
        let exp = ends_at(subject, &client.proven, &entitlement, acts_until, judged.now);
        let iat = judged.now.as_second();
        if exp <= iat {
            return Err(no_good_subject());
        }
        let before = &subject.claims;
        let held = subject.record.roles(&tenant, entitlement.product());
        let claims = AccessClaims {
            aud: Audience::One(entitlement.audience(&self.issuer).to_owned()),
            exp,
            iat,
            jti: self.jti()?,
            client_id: proof.client_id().to_owned(),
            scope: narrowed_scope(before, scope)?,
            tsg_id: tenant.last().cloned().unwrap_or_default(),
            roles: before.roles.iter().filter(|role| held.contains(role)).cloned().collect(),
            act,
            cnf,
            exchanged_from: ancestors(before)?,
            ..AccessClaims::clone(before)
        };
        let allowances = self.take(&client.record, judged.now)?;
        let issued = self.sign(&judged, entitlement.algorithm(self.offer.profile), claims)?;
        self.count(&client.record, asked.from, judged.now);
        Ok(IssuedToken { issued_token_type: Some(ACCESS_TOKEN), allowances, ..issued })
    }

    /// Judges the subject's token as if its bearer had come with it, and whether this client may act with it.
    async fn subject(&self, token: Presented<'_>, client_id: &str) -> Result<Served<Verified>, TokenError> {
        let judged = self.verifier.subject(token.0, client_id).await;
        judged.map_err(|error| refused(error, no_good_subject()))
    }

    /// Judges the actor's token, which is another proof of who the client is, and no more: until when it holds.
    async fn acts_until(
        &self,
        token: Option<Presented<'_>>,
        client_id: &str,
    ) -> Result<Option<i64>, TokenError> {
        let no_good = TokenError::InvalidRequest("The actor token is not a valid one of the client's own");
        let Some(token) = token else { return Ok(None) };
        let judged = self.verifier.known(token.0).await;
        let claims = judged.map_err(|error| refused(error, no_good.clone()))?.claims;
        if claims.sub == client_id && claims.act.is_none() { Ok(Some(claims.exp)) } else { Err(no_good) }
    }

    /// The tenant that the new token is for: the subject token's, or one below it. Never sideways or up.
    async fn narrowed_tenant(&self, subject: &Verified, scope: &Scope) -> Result<Arc<[String]>, TokenError> {
        let Verified { claims, record, .. } = subject;
        let named = scope.tsg_id().unwrap_or(&claims.tsg_id);
        let path = if named == record.tsg_id {
            record.path.as_slice().into()
        } else {
            self.directory.lineage(named).await?.ok_or(TokenError::InvalidScope)?
        };
        if path.contains(&claims.tsg_id) { Ok(path) } else { Err(TokenError::InvalidScope) }
    }
}

fn authenticated(record: Option<&Arc<Record>>, proven: Proven) -> Result<Client, Unproven> {
    let record = record.ok_or(Verdict::Doubtful(TokenError::InvalidClient))?;
    Ok(Client { record: Arc::clone(record), proven })
}

/// RFC 8693 §2.2.2: whatever is wrong with a token is `invalid_request`; and all of it looks the same.
fn no_good_subject() -> TokenError {
    TokenError::InvalidRequest("The subject token is not valid")
}

/// Who has nothing but the token does not get another one that needs nothing else.
fn no_bearers_token() -> TokenError {
    TokenError::InvalidRequest(
        "The subject token is bound to a key or a certificate: show one of your own, to bind the new one to",
    )
}

fn refused(error: VerifyError, no_good: TokenError) -> TokenError {
    match error {
        VerifyError::Invalid | VerifyError::Proof | VerifyError::Nonce(_) => no_good,
        VerifyError::MayNotAct => {
            TokenError::InvalidRequest("The client may not act for the subject of the token")
        }
        VerifyError::Pending => pending(),
        VerifyError::Unavailable(outage) => outage.into(),
    }
}

/// What the subject token is good for, by the record that it has just been judged by.
fn still_entitled(subject: &Verified, now: Timestamp) -> Result<Entitlement, TokenError> {
    let Some(id) = &subject.claims.api_key_id else { return Ok(Entitlement::Management) };
    let key = subject.record.keys(now).find(|key| key.api_key_id.to_string() == *id);
    key.cloned().map(Entitlement::Product).ok_or_else(no_good_subject)
}

/// RFC 8693 §2.1, RFC 8707 §2: where it is said for which API, that is the one of the subject token.
fn aimed<'a>(
    entitlement: &Entitlement,
    issuer: &str,
    said: impl IntoIterator<Item = Option<&'a str>>,
) -> Result<(), TokenError> {
    let audience = entitlement.audience(issuer);
    let same = said.into_iter().flatten().all(|target| target == audience);
    if same { Ok(()) } else { Err(TokenError::InvalidTarget) }
}

/// RFC 8693 §2.1: the words that were asked for, all of which the subject token has; or else those that it has. Whether the
/// tenant is within its reach is asked elsewhere.
fn narrowed_scope(subject: &AccessClaims, scope: &Scope) -> Result<String, TokenError> {
    let Some(asked) = scope.asked() else { return Ok(subject.scope.clone()) };
    let has = |word: &str| word.starts_with("tsg_id:") || subject.scope.split(' ').any(|had| had == word);
    if asked.split(' ').all(has) { Ok(asked.to_owned()) } else { Err(TokenError::InvalidScope) }
}

/// RFC 8693 §4.1: the client becomes the actor of now, unless it is that already.
fn acting(
    subject: &AccessClaims,
    client_id: &str,
    credential_id: CredentialId,
) -> Result<Option<Actor>, TokenError> {
    let latest = match &subject.act {
        None => (&*subject.sub, subject.credential_id),
        Some(actor) => (&*actor.sub, actor.credential_id),
    };
    if latest == (client_id, credential_id) {
        return Ok(subject.act.clone());
    }
    if subject.actors().count() >= MAX_ACTORS {
        return Err(TokenError::InvalidRequest("As many act for the subject in turn as may"));
    }
    let act = subject.act.clone().map(Box::new);
    Ok(Some(Actor { sub: client_id.to_owned(), credential_id, act }))
}

/// What was exchanged for it: so that nothing is left of a token that is taken back.
fn ancestors(subject: &AccessClaims) -> Result<Vec<String>, TokenError> {
    if subject.exchanged_from.len() >= MOST_EXCHANGES {
        return Err(TokenError::InvalidRequest(
            "The token has been exchanged as often in turn as one may be",
        ));
    }
    Ok(subject.jtis().map(str::to_owned).collect())
}

/// The earliest end of all that it depends on.
fn ends_at(
    subject: &Verified,
    client: &Proven,
    entitlement: &Entitlement,
    acts_until: Option<i64>,
    now: Timestamp,
) -> i64 {
    let secret = match subject.claims.credential_id {
        CredentialId::Secret(id) => subject.record.secret(id.as_str(), now).and_then(|s| s.expires_at),
        _ => None,
    };
    let ends = [secret, client.ends_at, entitlement.ends_at()];
    let ends = ends.into_iter().flatten().map(Timestamp::as_second).chain(acts_until);
    let longest = now.as_second() + entitlement.lifetime_seconds();
    ends.fold(subject.claims.exp.min(longest), i64::min)
}
