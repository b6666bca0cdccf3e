//! The JWT bearer grant (RFC 7523 §2.1): a token for what a trusted issuer says of a workload.
//!
//! | | |
//! |---|---|
//! | which account | that of `client_id`: an assertion may fit the rules of several, and nobody guesses |
//! | client authentication | not needed; when it is there it must be right, and of the same account |
//! | a certificate | is what the token is bound to, as with any other grant; it authenticates nobody here |
//! | what it gets | what `client_credentials` would get that account, and no longer than the assertion lives |

use std::fmt;

use jiff::Timestamp;

use super::authenticate::{Proof, read_grant};
use super::{Asked, IssuedToken, Presented, TokenError, TokenIssuer};
use crate::directory::Served;

/// The assertion as it was sent. Cannot be printed: as long as it lives, who has it is the workload.
#[derive(Clone, Copy)]
pub struct Bearer<'a>(&'a str);

impl fmt::Debug for Bearer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

impl<'a> Bearer<'a> {
    /// Reads the one parameter (RFC 7521 §4.1).
    pub(super) fn read(
        only: impl Fn(&str) -> Result<Option<&'a str>, TokenError>,
    ) -> Result<Self, TokenError> {
        only("assertion")?.map(Self).ok_or(TokenError::InvalidRequest("assertion is missing"))
    }
}

impl TokenIssuer {
    /// What is to be proven: that the assertion is good and, by whoever authenticates as well, who it is.
    pub(super) fn vouched_for(
        &self,
        Bearer(assertion): Bearer<'_>,
        presented: &Presented,
        now: Timestamp,
    ) -> Result<(Proof, Option<Proof>), TokenError> {
        let client = match presented {
            Presented::Nothing { .. } | Presented::Certificate { .. } => None,
            _ => Some(self.proof(presented, now)?),
        };
        let client_id = client.as_ref().map(Proof::client_id).or(presented.client_id());
        let missing = TokenError::InvalidRequest("client_id is missing: it names the account");
        let workload = read_grant(client_id.ok_or(missing)?, assertion, &self.issuer)?;
        Ok((Proof::Workload(workload), client))
    }

    /// Answers it. Client credentials that come with a grant must be right (RFC 7523 §3.1), whatever the grant is worth.
    pub(super) async fn jwt_bearer(&self, asked: &Asked<'_>) -> Result<IssuedToken, TokenError> {
        let Some(client) = asked.client else { return self.client_credentials(asked).await };
        let Served { value: (record, credential_id), now, .. } = self.proven(client).await?;
        let issued = self.client_credentials(asked).await?;
        self.note(&record, credential_id, asked.from, now);
        Ok(issued)
    }
}
