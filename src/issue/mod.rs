//! The token endpoint's use case: a list of named steps.
//!
//! One file per way to authenticate, one per grant. It speaks of neither HTTP nor SQL.

use std::net::IpAddr;
use std::sync::Arc;

use jiff::Timestamp;
use ring::rand::SystemRandom;
use tokio::sync::mpsc;

use crate::directory::{Directory, Outage, Served, Verdict};
use crate::domain::credential_id::CredentialId;
use crate::domain::record::Record;
use crate::limits::Limits;
use crate::once::Once;
use crate::seal::Pepper;
use crate::store::master_keys::Rehashed;
use crate::token::certificate::Authorities;
use crate::token::discovery::Offer;
use crate::token::dpop::Proofs;
use crate::token::keyring::KeyringCell;
use crate::usage::Usage;
use crate::verify::Verifier;

mod authenticate;
mod client;
mod client_credentials;
mod error;
mod grant;
mod holder;
mod issued;
mod jwt_bearer;
mod pacing;
mod profile;
mod request;
mod scope;
mod token_exchange;

use authenticate::{FetchedKeys, KeySource, Proof, Proven, Unproven};
pub use authenticate::{PresentedAssertion, PresentedSecret, RemoteKeys};
pub use client::Client;
use client_credentials::{Entitlement, Target};
pub use error::TokenError;
pub use grant::Grant;
use holder::Holder;
pub use issued::IssuedToken;
pub use request::{Presented, TokenRequest};
use scope::Scope;

/// How often keys are fetched for one request: once, and once more when they have moved meanwhile.
const KEY_FETCHES: usize = 3;

/// Issues tokens; one per worker.
#[derive(Clone)]
pub struct TokenIssuer {
    /// Finds the caller's record.
    pub directory: Directory,
    /// The keys that sign.
    pub keyring: Arc<KeyringCell>,
    /// Compares secrets.
    pub pepper: Arc<Pepper>,
    /// Takes the hashes of secrets that proved right under an earlier pepper.
    pub rehash: mpsc::Sender<Rehashed>,
    /// The keys that clients and trusted issuers publish elsewhere.
    pub remote_keys: Arc<RemoteKeys>,
    /// Knows what was used before.
    pub once: Arc<Once>,
    /// How much may be asked for.
    pub limits: Arc<Limits>,
    /// What is noted of what was got.
    pub usage: Arc<Usage>,
    /// The `iss` of every token, and the audience of the management API.
    pub issuer: Arc<str>,
    /// Whose certificates name clients.
    pub authorities: Option<Authorities>,
    /// Judges proofs of possession.
    pub proofs: Arc<Proofs>,
    /// What is served, and what is demanded.
    pub offer: Offer,
    /// Judges the tokens that are exchanged.
    pub verifier: Verifier,
    /// For `jti`.
    pub random: SystemRandom,
}

/// What every grant needs to know of a request.
struct Asked<'a> {
    proof: &'a Proof,
    /// Who authenticates besides, where that is not what the token is for.
    client: Option<&'a Proof>,
    holder: &'a Holder<'a>,
    scope: &'a Scope,
    resource: Option<&'a str>,
    from: Option<IpAddr>,
}

/// What the caller is entitled to, as its record says.
struct Entitled {
    record: Arc<Record>,
    credential_id: CredentialId,
    entitlement: Entitlement,
    /// When what it proved itself by, and the key if there is one, come to their end.
    ends_at: Option<Timestamp>,
}

impl TokenIssuer {
    /// Answers a token request.
    ///
    /// # Errors
    /// [`TokenError`]; an outage is never the client's fault.
    pub async fn issue(&self, request: TokenRequest<'_>) -> Result<IssuedToken, TokenError> {
        self.may_try(request.client, request.from)?;
        self.answer(&request).await.inspect_err(|error| self.tried(request.client, request.from, error))
    }

    async fn answer(&self, request: &TokenRequest<'_>) -> Result<IssuedToken, TokenError> {
        // Before Postgres was ever heard there is no time to judge by.
        let now = self.directory.clock().authority().ok_or(Outage::Unheard)?;
        profile::admit_grant(self.offer.profile, &request.grant)?;
        let (proof, client) = match request.grant {
            Grant::JwtBearer(bearer) => self.vouched_for(bearer, request.client, now)?,
            _ => (self.proof(request.client, now)?, None),
        };
        let holder = self.holder(request, now)?;
        let scope = Scope::parse(request.scope)?;
        let asked = Asked {
            proof: &proof,
            client: client.as_ref(),
            holder: &holder,
            scope: &scope,
            resource: request.resource,
            from: request.from.address,
        };
        let issued = match request.grant {
            Grant::ClientCredentials => self.client_credentials(&asked).await?,
            Grant::TokenExchange(exchange) => self.token_exchange(exchange, &asked).await?,
            Grant::JwtBearer(_) => self.jwt_bearer(&asked).await?,
        };
        let dpop_nonce = request.dpop.as_ref().map(|_| self.proofs.nonce(now));
        Ok(IssuedToken { token_type: holder.token_type(), dpop_nonce, ..issued })
    }

    /// RFC 6749 §4.4.
    async fn client_credentials(&self, asked: &Asked<'_>) -> Result<IssuedToken, TokenError> {
        let target = Target::of(asked.resource, &self.issuer);
        let entitled =
            self.admit(asked.proof, |record, proven, now| entitled(record, proven, target, now)).await?;
        let Entitled { record, credential_id, .. } = &entitled.value;
        let confirmation = asked.holder.confirmation(record)?;
        self.use_up(asked).await?;
        self.rehash(record, *credential_id, asked.proof);
        self.note(record, *credential_id, asked.from, entitled.now);
        let tenant = self.tenant(&entitled.value, asked.scope).await?;
        let claims = self.claims(&entitled, asked.scope, &tenant, confirmation)?;
        let allowances = self.take(record, entitled.now)?;
        let issued =
            self.sign(&entitled, entitled.value.entitlement.algorithm(self.offer.profile), claims)?;
        self.count(record, asked.from, entitled.now);
        Ok(IssuedToken { allowances, ..issued })
    }

    /// What may be shown once only is used up by this.
    async fn use_up(&self, asked: &Asked<'_>) -> Result<(), TokenError> {
        for proof in [Some(asked.proof), asked.client].into_iter().flatten() {
            proof.use_up(&self.once).await?;
        }
        asked.holder.use_up(&self.once).await
    }

    /// Whoever proved right by a secret under an earlier pepper is hashed anew, beside this answer; some other time when
    /// it is not the moment.
    fn rehash(&self, record: &Record, credential_id: CredentialId, proof: &Proof) {
        let (Proof::Secret(_, secret), CredentialId::Secret(id)) = (proof, credential_id) else {
            return;
        };
        let mut known = record.secrets.iter();
        let known = known.find(|known| known.credential_id == id.as_str());
        if known.is_some_and(|known| known.pepper != self.pepper.current_id()) {
            let (_, hash) = self.pepper.hash(secret);
            drop(self.rehash.try_send(Rehashed { credential_id: id.to_string(), hash }));
        }
    }

    /// Judges who asks, then what it gets. Keys that are elsewhere are fetched in between; should the address have changed
    /// meanwhile, once more.
    async fn admit<T>(
        &self,
        proof: &Proof,
        gets: impl Fn(Option<&Arc<Record>>, Proven, Timestamp) -> Result<T, Unproven>,
    ) -> Result<Served<T>, TokenError> {
        let mut fetched: Option<FetchedKeys> = None;
        for _ in 0..KEY_FETCHES {
            let judged = self.directory.decide(proof.client_id(), |record, now| {
                let proven = proof.judge(&self.pepper, record, fetched.as_ref(), now);
                verdict(proven.and_then(|proven| gets(record, proven, now)))
            });
            match Served::transpose(judged.await?) {
                Ok(admitted) => return Ok(admitted),
                Err(Refusal::Error(error)) => return Err(error),
                Err(Refusal::NeedsKeys(source)) => {
                    let at = self.remote_keys.at(&source, |keys| proof.is_settled_by(keys));
                    fetched = Some(at.await?);
                }
            }
        }
        // They are being moved, again and again.
        Err(TokenError::KeysUnavailable)
    }

    /// The tenant that the token is for, as its line from the root: the account's own, or the
    /// descendant that the scope names. Never sideways or up.
    async fn tenant(&self, entitled: &Entitled, scope: &Scope) -> Result<Arc<[String]>, TokenError> {
        let own = &entitled.record.tsg_id;
        match scope.tsg_id() {
            Some(named) if named != own => {
                let path = self.directory.lineage(named).await?.ok_or(TokenError::InvalidScope)?;
                if path.contains(own) { Ok(path) } else { Err(TokenError::InvalidScope) }
            }
            _ => Ok(entitled.record.path.as_slice().into()),
        }
    }
}

/// Why a request ends, or is judged again.
enum Refusal {
    Error(TokenError),
    NeedsKeys(KeySource),
}

/// What a proven client gets of this record for itself.
fn entitled(
    record: Option<&Arc<Record>>,
    proven: Proven,
    target: Target<'_>,
    now: Timestamp,
) -> Result<Entitled, Unproven> {
    let record = record.ok_or(Verdict::Doubtful(TokenError::InvalidClient))?;
    let entitlement = client_credentials::choose(record, target, now)?;
    let ends_at = [proven.ends_at, entitlement.ends_at()].into_iter().flatten().min();
    Ok(Entitled { record: Arc::clone(record), credential_id: proven.credential_id, entitlement, ends_at })
}

fn verdict<T>(outcome: Result<T, Unproven>) -> Verdict<Result<T, Refusal>> {
    let refused = |error| Err(Refusal::Error(error));
    match outcome {
        Ok(admitted) => Verdict::Final(Ok(admitted)),
        Err(Unproven::Refused(Verdict::Final(error))) => Verdict::Final(refused(error)),
        Err(Unproven::Refused(Verdict::Armed(error))) => Verdict::Armed(refused(error)),
        Err(Unproven::Refused(Verdict::Doubtful(error))) => Verdict::Doubtful(refused(error)),
        // By the keys that are there every reading is judged again.
        Err(Unproven::NeedsKeys(source)) => Verdict::Final(Err(Refusal::NeedsKeys(source))),
    }
}

/// What is not yet in every region: told only to a client that has proved itself.
fn pending() -> TokenError {
    TokenError::temporarily_unavailable("Not yet valid in every region; try again shortly")
}

impl From<Outage> for TokenError {
    fn from(outage: Outage) -> Self {
        tracing::warn!(%outage, "a token request met an outage");
        Self::temporarily_unavailable(error::OUTAGE)
    }
}
