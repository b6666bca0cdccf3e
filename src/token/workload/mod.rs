//! A workload's token: what another issuer says of who somebody is (RFC 7523 §2.1, §2.2 and §3), read strictly.
//!
//! It differs from a client's assertion in what its `iss` and `sub` are, and in that it is meant to be used more than once:
//! Kubernetes hands out one for an hour, and every request of the pod takes it from the same file. So its `jti` is not used up,
//! and it is not asked for one. What it must look like depends on the kind of its issuer: a token of another kind by
//! the same issuer, such as a person's ID token or an access token for some API, is none.

use serde_json::{Map, Value};

use super::assertion::{BadAssertion, Claims, Signed, Times};
use super::claims::CLOCK_SKEW_SECONDS;
use crate::domain::trust::{IssuerKind, TrustedIssuerPart};

mod kinds;

/// What its header may call it (the second: JWT-SVID §2.3). Without a word it is a JWT like any.
const TYPES: [&str; 2] = ["JWT", "JOSE"];

/// A token that says what every workload's token must. Whose it is, and who has signed it, are other questions.
pub struct WorkloadToken {
    signed: Signed,
    issuer: Option<String>,
    subject: String,
    audience: Vec<String>,
    times: Times,
    claims: Claims,
}

/// Whoever has it could use it.
impl std::fmt::Debug for WorkloadToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WorkloadToken").field("issuer", &self.issuer).finish_non_exhaustive()
    }
}

impl WorkloadToken {
    /// Reads it.
    ///
    /// # Errors
    /// [`BadAssertion`], the first thing that is wrong.
    pub fn read(compact: &str) -> Result<Self, BadAssertion> {
        let (signed, claims) = Signed::read(compact, &TYPES)?;
        let issuer = claims.all().contains_key("iss").then(|| claims.text("iss")).transpose()?;
        Ok(Self {
            signed,
            issuer: issuer.map(str::to_owned),
            subject: claims.text("sub")?.to_owned(),
            audience: claims.audience()?,
            times: claims.times()?,
            claims,
        })
    }

    /// Whether somebody else than its subject has issued it: a client's own assertion says the same of both.
    #[must_use]
    pub fn is_of_another(&self) -> bool {
        self.issuer.as_deref() != Some(self.subject.as_str())
    }

    /// Who says that he has issued it.
    #[must_use]
    pub fn issuer(&self) -> Option<&str> {
        self.issuer.as_deref()
    }

    /// Of whom it speaks.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// All that it says.
    #[must_use]
    pub fn claims(&self) -> &Map<String, Value> {
        self.claims.all()
    }

    /// What was signed, and by whom it may have been.
    #[must_use]
    pub fn signed(&self) -> &Signed {
        &self.signed
    }

    /// The first second at which it is no longer good.
    #[must_use]
    pub fn ends_at(&self) -> i64 {
        self.times.exp
    }

    /// Whether it is what a token of this issuer must be: of its kind, for this audience alone, and now. A list of audiences
    /// may name it alone: whoever else is in it could pass the token on.
    ///
    /// # Errors
    /// [`BadAssertion`]
    pub fn check(
        &self,
        issuer: &TrustedIssuerPart,
        audience: &str,
        now_unix: i64,
    ) -> Result<(), BadAssertion> {
        if self.audience != [issuer.audience.as_deref().unwrap_or(audience)] {
            return Err(BadAssertion::Audience);
        }
        self.check_time(issuer.kind, now_unix)?;
        if kinds::is_of(self, issuer) { Ok(()) } else { Err(BadAssertion::Kind) }
    }

    fn check_time(&self, kind: IssuerKind, now_unix: i64) -> Result<(), BadAssertion> {
        let Times { exp, iat, nbf } = self.times;
        let latest = now_unix.saturating_add(CLOCK_SKEW_SECONDS);
        // JWT-SVIDs need not say when they were made.
        let since = iat.unwrap_or(now_unix).min(now_unix);
        if exp <= now_unix {
            Err(BadAssertion::Expired)
        } else if exp.saturating_sub(since) > kind.longest_seconds() + CLOCK_SKEW_SECONDS {
            Err(BadAssertion::TooLongLived)
        } else if iat.max(nbf).is_some_and(|from| from > latest) {
            Err(BadAssertion::NotYet)
        } else if iat.is_none() && kind != IssuerKind::Spiffe {
            Err(BadAssertion::Claims)
        } else {
            Ok(())
        }
    }
}
