//! Rotating a secret at its clients' own pace: another one is made beside it, the old one goes unused, and is retired. Here is said
//! whether it may be, and what stands in the way.

use std::time::Duration;

use garde::Validate;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::secrets::{SecretAt, find_receipt, read};
use crate::domain::last_use::LastUse;
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::manage::{Caller, Manage, ManageError, Patience, Withdrawn, reads, record};
use crate::store::caller::Hold;
use crate::store::client_secrets::{self, ClientSecret, SecretStatus};
use crate::store::{Changed, StoreError, Tx, client_certificates, client_keys, trust_rules, usage};

/// For how long a secret must not have been used, seconds: several lives of a token.
const UNUSED_FOR: u32 = 3_600;

/// How to retire a secret.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Retiring {
    /// For how long it must not have been used, seconds.
    #[garde(range(min = 60, max = 2_592_000))]
    #[serde(default)]
    pub unused_for_seconds: Option<u32>,
    /// Whatever it is used for.
    #[garde(skip)]
    #[serde(default)]
    pub now: bool,
}

/// Whether a secret may be retired, and what stands in the way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Retirement {
    secret: ClientSecret,
    others: Vec<ClientSecret>,
    #[serde(flatten)]
    besides: Besides,
    unused_for_seconds: u32,
    state: State,
    safe_at: Option<Timestamp>,
}

/// What an account can prove itself by that is no secret.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Serialize)]
struct Besides {
    has_client_keys: bool,
    has_certificates: bool,
    has_trust_rules: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    Safe,
    InUse,
    OtherPending,
    NoOther,
    Over,
}

/// What is known of uses: since when, and what time it is.
#[derive(Clone, Copy)]
struct Known {
    since: Timestamp,
    now: Timestamp,
}

impl Besides {
    async fn read(tx: &Tx, tsg_id: &TsgId, account: Uuid, now: Timestamp) -> Result<Self, StoreError> {
        let certificates = client_certificates::find(tx, tsg_id, account).await?.value;
        Ok(Self {
            has_client_keys: !client_keys::find(tx, tsg_id, account).await?.value.is_empty(),
            has_certificates: certificates.prove_somebody(now),
            has_trust_rules: !trust_rules::find(tx, tsg_id, account).await?.value.is_empty(),
        })
    }

    fn is_anything(self) -> bool {
        self != Self::default()
    }
}

impl Retirement {
    fn of(
        secret: ClientSecret,
        others: Vec<ClientSecret>,
        besides: Besides,
        unused_for_seconds: u32,
        known: Known,
    ) -> Self {
        // Of what was before nobody knows, so the time begins when somebody could have known.
        let quiet = secret.last_use.at().unwrap_or(Timestamp::MIN).max(secret.created_at).max(known.since);
        let wait = SignedDuration::from_secs(unused_for_seconds.into());
        let safe_at = quiet.saturating_add(wait).unwrap_or(Timestamp::MAX);
        let valid = besides.is_anything() || others.iter().any(|other| other.status == SecretStatus::Valid);
        let over = !matches!(secret.status, SecretStatus::Pending | SecretStatus::Valid);
        let state = match () {
            () if over => State::Over,
            () if others.is_empty() && !besides.is_anything() => State::NoOther,
            () if !valid => State::OtherPending,
            () if known.now < safe_at => State::InUse,
            () => State::Safe,
        };
        let safe_at = (!over).then_some(safe_at);
        Self { secret, others, besides, unused_for_seconds, state, safe_at }
    }

    fn check(&self) -> Result<(), ManageError> {
        match self.state {
            State::Safe | State::Over => Ok(()),
            State::NoOther | State::OtherPending => Err(ManageError::NoOtherSecret),
            State::InUse => Err(ManageError::SecretInUse(InUse {
                last_use: self.secret.last_use.clone(),
                safe_at: self.safe_at.unwrap_or(Timestamp::MAX),
                unused_for: Duration::from_secs(self.unused_for_seconds.into()),
            })),
        }
    }
}

/// Why a secret is not retired yet.
#[derive(Clone, Debug)]
pub struct InUse {
    last_use: LastUse,
    safe_at: Timestamp,
    unused_for: Duration,
}

impl std::fmt::Display for InUse {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { last_use, safe_at, unused_for } = self;
        match last_use.at() {
            Some(at) => write!(f, "The secret was used at {at:.0}")?,
            None => f.write_str("The secret is not watched for so long yet")?,
        }
        if let Some(address) = last_use.address() {
            write!(f, " from {address}")?;
        }
        let seconds = unused_for.as_secs();
        write!(
            f,
            "; unused for {seconds} seconds it is at {safe_at:.0} at the earliest. now retires it all the same."
        )
    }
}

impl Manage {
    /// Whether a secret may be retired.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn secret_retirement(
        &self,
        caller: &Caller,
        at: SecretAt<'_>,
    ) -> Result<Retirement, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, at.tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            judge(tx, at, UNUSED_FOR).await
        };
        Ok(self.in_tenant("client_secret.retirement", at.tsg_id, find).await?.value)
    }

    /// Takes a secret away that is used no more, and waits until nobody accepts it. Who asks again waits again.
    ///
    /// # Errors
    /// [`ManageError`]: `secret_in_use`, `no_other_secret`, `secret_expired`, and what every use case may say.
    pub async fn retire_secret(
        &self,
        caller: &Caller,
        at: SecretAt<'_>,
        retiring: &Retiring,
        patience: Patience,
    ) -> Result<Withdrawn<()>, ManageError> {
        let SecretAt { tsg_id, .. } = at;
        let retire = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, tsg_id, at.account).await?;
            let unused_for = retiring.unused_for_seconds.unwrap_or(UNUSED_FOR);
            let judged = judge(tx, at, unused_for).await?;
            match judged.secret.status {
                SecretStatus::Expired => return Err(ManageError::SecretExpired),
                SecretStatus::Revoking | SecretStatus::Revoked => {
                    let before = find_receipt(tx, at).await?.ok_or(ManageError::NotFound)?;
                    return Ok(((), Some(before.name())));
                }
                SecretStatus::Pending | SecretStatus::Valid => {}
            }
            if !retiring.now {
                judged.check()?;
            }
            let id = &judged.secret.credential_id;
            if client_secrets::revoke(tx, tsg_id, &account.client_id, id).await? == Changed::NotThere {
                return Err(ManageError::NotFound);
            }
            let details = json!({
                "name": judged.secret.name, "client_id": account.client_id, "reason": "retired",
                "last_used_at": judged.secret.last_use.at(), "now": retiring.now,
            });
            record(tx, caller, tsg_id, "client_secret.revoke", id, details).await?;
            Ok(((), None))
        };
        self.withdraw("client_secret.retire", tsg_id, patience, retire).await
    }
}

async fn judge(tx: &Tx, at: SecretAt<'_>, unused_for_seconds: u32) -> Result<Retirement, ManageError> {
    let SecretAt { tsg_id, account, .. } = at;
    let secret = read(tx, at).await?;
    let mut others = client_secrets::list(tx, tsg_id, &[account]).await?;
    let live = |status| matches!(status, SecretStatus::Pending | SecretStatus::Valid);
    others.retain(|other| other.credential_id != secret.credential_id && live(other.status));
    let (since, now) = usage::known_since(tx).await?;
    let besides = Besides::read(tx, tsg_id, account, now).await?;
    Ok(Retirement::of(secret, others, besides, unused_for_seconds, Known { since, now }))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("a moment")
    }

    fn secret(status: SecretStatus, last_used: Option<i64>) -> ClientSecret {
        ClientSecret {
            credential_id: "0123456789ABCDEf".into(),
            name: "default".into(),
            status,
            created_at: at(0),
            expires_at: None,
            replaces: None,
            last_use: LastUse::new(last_used.map(at), "192.0.2.1".parse().ok()),
            service_account_id: Uuid::nil(),
        }
    }

    fn judged(last_used: Option<i64>, others: &[SecretStatus], since: i64, now: i64) -> Retirement {
        let others = others.iter().map(|status| secret(*status, None)).collect();
        let known = Known { since: at(since), now: at(now) };
        Retirement::of(secret(SecretStatus::Valid, last_used), others, Besides::default(), 100, known)
    }

    #[test]
    fn it_is_safe_when_it_was_watched_and_unused_for_so_long_and_another_one_is_valid() {
        let valid = [SecretStatus::Pending, SecretStatus::Valid];
        assert_eq!(judged(Some(50), &valid, 0, 149).state, State::InUse);
        assert_eq!(judged(Some(50), &valid, 0, 150).state, State::Safe);
        assert_eq!(judged(Some(50), &valid, 0, 150).safe_at, Some(at(150)));
        assert_eq!(judged(None, &valid, 1_000, 1_099).state, State::InUse, "nobody knows of before");
        assert_eq!(judged(None, &valid, 1_000, 1_100).state, State::Safe);
        assert_eq!(judged(Some(50), &valid[..1], 0, 999).state, State::OtherPending);
        assert_eq!(judged(Some(50), &[], 0, 999).state, State::NoOther);
    }

    #[test]
    fn a_refusal_says_when_and_from_where_it_was_used_and_when_to_come_again() {
        let why = judged(Some(50), &[SecretStatus::Valid], 0, 60).check().expect_err("in use").to_string();
        assert!(why.contains("used at 1970-01-01T00:00:50Z from 192.0.2.1"), "{why}");
        assert!(why.contains("at 1970-01-01T00:02:30Z at the earliest"), "{why}");
    }
}
