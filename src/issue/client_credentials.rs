//! The client credentials grant (RFC 6749 §4.4): which request gets which token.
//!
//! | bound key | no `resource` | the product's audience | the issuer |
//! |---|---|---|---|
//! | none, revoked, expired, inactive | management | `invalid_target` | management |
//! | pending | 503 | 503 | management |
//! | valid | product | product | management |

use jiff::Timestamp;

use super::{TokenError, pending};
use crate::directory::Verdict;
use crate::domain::algorithm::Algorithm;
use crate::domain::key::number_of;
use crate::domain::profile::Profile;
use crate::domain::record::{KeyPart, Liveness, Record};

/// How long a management token lives, seconds.
const MANAGEMENT_LIFETIME: i64 = 900;

/// For which API a token is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target<'a> {
    /// Not said: the product of the bound key, else the management API.
    Unsaid,
    /// The issuer's own management API.
    Management,
    /// This audience.
    Product(&'a str),
}

impl<'a> Target<'a> {
    pub fn of(resource: Option<&'a str>, issuer: &str) -> Self {
        match resource {
            None => Self::Unsaid,
            Some(resource) if resource == issuer => Self::Management,
            Some(resource) => Self::Product(resource),
        }
    }
}

/// What a token will be good for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Entitlement {
    /// The management API.
    Management,
    /// A product's API, by this key.
    Product(KeyPart),
}

impl Entitlement {
    pub fn lifetime_seconds(&self) -> i64 {
        match self {
            Self::Management => MANAGEMENT_LIFETIME,
            Self::Product(key) => key.token_lifetime_seconds,
        }
    }

    pub fn audience<'a>(&'a self, issuer: &'a str) -> &'a str {
        match self {
            Self::Management => issuer,
            Self::Product(key) => &key.audience,
        }
    }

    pub fn algorithm(&self, profile: Profile) -> Algorithm {
        match self {
            Self::Management => profile.own_algorithm(),
            Self::Product(key) => key.algorithm,
        }
    }

    pub fn product(&self) -> Option<&str> {
        match self {
            Self::Management => None,
            Self::Product(key) => Some(&key.product),
        }
    }

    pub fn api_key_id(&self) -> Option<i64> {
        match self {
            Self::Management => None,
            Self::Product(key) => Some(key.api_key_id),
        }
    }

    pub fn ends_at(&self) -> Option<Timestamp> {
        match self {
            Self::Management => None,
            Self::Product(key) => key.expires_at,
        }
    }
}

/// The table above.
pub(super) fn choose(
    record: &Record,
    target: Target<'_>,
    now: Timestamp,
) -> Result<Entitlement, Verdict<TokenError>> {
    let wanted = |key: &&KeyPart| match target {
        Target::Unsaid => true,
        Target::Management => false,
        Target::Product(audience) => key.audience == audience,
    };
    // A valid key before a pending one.
    let key = record.keys(now).filter(wanted).min_by_key(|key| key.status == Liveness::Pending);
    match (key, target) {
        (Some(key), _) if key.status == Liveness::Valid => Ok(Entitlement::Product(key.clone())),
        (Some(_), _) => Err(Verdict::Armed(pending())),
        (None, Target::Product(_)) => Err(Verdict::Doubtful(TokenError::InvalidTarget)),
        // A key speaks for nobody but itself.
        (None, _) if number_of(&record.credential).is_some() => {
            Err(Verdict::Doubtful(TokenError::InvalidTarget))
        }
        // No doubt about a key that might exist elsewhere: none turns valid before every live
        // instance has applied the change that made it.
        (None, Target::Unsaid | Target::Management) => Ok(Entitlement::Management),
    }
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;
    use rstest::rstest;

    use std::sync::Arc;

    use super::*;
    use crate::domain::ids::PublicId;
    use crate::domain::record::SecretPart;
    use crate::domain::secret::{Secret, SecretKind};
    use crate::issue::authenticate::Proof;
    use crate::issue::{Refusal, entitled, verdict};
    use crate::seal::{MasterKeys, Pepper, generate_master_key};

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;
    const ISSUER: &str = "https://id.example";
    const AUDIENCE: &str = "urn:product";

    fn key(status: Liveness, expires_at: Option<Timestamp>) -> KeyPart {
        KeyPart {
            api_key_id: 7,
            status,
            product: "product".into(),
            audience: AUDIENCE.into(),
            algorithm: Algorithm::RS256,
            token_lifetime_seconds: 900,
            expires_at,
            sealed: None,
        }
    }

    struct Case {
        pepper: Pepper,
        secret: Secret,
        record: Record,
    }

    fn case() -> Case {
        let random = SystemRandom::new();
        let master = generate_master_key("a", &random).expect("a key");
        let pepper = MasterKeys::parse([master.as_str()]).expect("keys").pepper();
        let id = PublicId::generate(&random).expect("an id");
        let secret = Secret::generate(SecretKind::Client, id, &random).expect("a secret");
        let (pepper_id, hash) = pepper.hash(&secret);
        let part = SecretPart {
            credential_id: id.as_str().to_owned(),
            status: Liveness::Valid,
            pepper: pepper_id.to_owned(),
            hash,
            expires_at: None,
        };
        let record = Record {
            credential: "a@1.iam.example".into(),
            service_account_id: None,
            tsg_id: "1".into(),
            path: vec!["1".into()],
            enabled: true,
            secrets: vec![part],
            ..Record::default()
        };
        Case { pepper, secret, record }
    }

    impl Case {
        fn ask(self, resource: Option<&str>) -> Verdict<Result<Entitlement, TokenError>> {
            let target = Target::of(resource, ISSUER);
            let record = Arc::new(self.record);
            let proof = Proof::Secret(record.credential.clone(), self.secret);
            let proven = proof.judge(&self.pepper, Some(&record), None, NOW);
            let outcome = verdict(proven.and_then(|proven| entitled(Some(&record), proven, target, NOW)));
            let shown = |outcome: Result<_, _>| match outcome {
                Ok(super::super::Entitled { entitlement, .. }) => Ok(entitlement),
                Err(Refusal::Error(error)) => Err(error),
                Err(Refusal::NeedsKeys(_)) => panic!("nobody has an address"),
            };
            match outcome {
                Verdict::Final(outcome) => Verdict::Final(shown(outcome)),
                Verdict::Armed(outcome) => Verdict::Armed(shown(outcome)),
                Verdict::Doubtful(outcome) => Verdict::Doubtful(shown(outcome)),
            }
        }
    }

    #[rstest]
    #[case::none(None, None, Ok(None))]
    #[case::none(None, Some(AUDIENCE), Err("invalid_target"))]
    #[case::none(None, Some(ISSUER), Ok(None))]
    #[case::pending(Some(Liveness::Pending), None, Err("temporarily_unavailable"))]
    #[case::pending(Some(Liveness::Pending), Some(AUDIENCE), Err("temporarily_unavailable"))]
    #[case::pending(Some(Liveness::Pending), Some(ISSUER), Ok(None))]
    #[case::valid(Some(Liveness::Valid), None, Ok(Some(7)))]
    #[case::valid(Some(Liveness::Valid), Some(AUDIENCE), Ok(Some(7)))]
    #[case::valid(Some(Liveness::Valid), Some(ISSUER), Ok(None))]
    #[case::valid(Some(Liveness::Valid), Some("urn:other"), Err("invalid_target"))]
    fn which_request_gets_which_token(
        #[case] bound: Option<Liveness>,
        #[case] resource: Option<&str>,
        #[case] expected: Result<Option<i64>, &str>,
    ) {
        let mut case = case();
        case.record.keys = bound.map(|status| key(status, None)).into_iter().collect();
        let (outcome, doubtful) = match case.ask(resource) {
            Verdict::Final(outcome) => (outcome, false),
            Verdict::Armed(outcome) | Verdict::Doubtful(outcome) => (outcome, true),
        };
        assert_eq!(doubtful, outcome.is_err(), "what is held against a caller needs the authority");
        let outcome = outcome.map(|e| e.api_key_id());
        assert_eq!(outcome.as_ref().map_err(TokenError::code), expected.as_ref().map_err(|e| *e));
    }

    #[test]
    fn an_expired_key_counts_as_none() {
        let mut case = case();
        case.record.keys = vec![key(Liveness::Valid, Some(NOW))];
        assert_eq!(case.ask(Some(AUDIENCE)), Verdict::Doubtful(Err(TokenError::InvalidTarget)));
    }

    #[test]
    fn every_failure_to_authenticate_is_the_same() {
        let refused = Err(TokenError::InvalidClient);
        let mut disabled = case();
        disabled.record.enabled = false;
        assert_eq!(disabled.ask(None), Verdict::Doubtful(refused.clone()));
        let mut expired = case();
        expired.record.secrets[0].expires_at = Some(NOW);
        assert_eq!(expired.ask(None), Verdict::Doubtful(refused.clone()));
        let mut wrong = case();
        wrong.record.secrets[0].hash[0] ^= 1;
        assert_eq!(
            wrong.ask(None),
            Verdict::Final(refused.clone()),
            "no store is asked about a wrong secret"
        );
        let mut unknown = case();
        unknown.record.secrets.clear();
        assert_eq!(unknown.ask(None), Verdict::Doubtful(refused));
    }

    #[test]
    fn a_pending_secret_is_told_only_to_who_knows_it() {
        let mut right = case();
        right.record.secrets[0].status = Liveness::Pending;
        assert_eq!(right.ask(None), Verdict::Armed(Err(pending())));
        let mut wrong = case();
        wrong.record.secrets[0].status = Liveness::Pending;
        wrong.record.secrets[0].hash[0] ^= 1;
        assert_eq!(wrong.ask(None), Verdict::Final(Err(TokenError::InvalidClient)));
    }
}
