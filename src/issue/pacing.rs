//! How much may be asked for, and what is noted of who asked and what was got. Failures count for where they come from, tokens for
//! who has proved itself: so nobody uses up what is somebody else's.

use std::net::IpAddr;

use jiff::Timestamp;

use super::{Presented, TokenError, TokenIssuer};
use crate::domain::credential_id::CredentialId;
use crate::domain::origin::Origin;
use crate::domain::record::Record;
use crate::limits::Allowances;
use crate::usage::{Got, Proved};

impl TokenIssuer {
    /// Counts a request from this address, before it is read.
    ///
    /// # Errors
    /// [`TokenError::TooManyRequests`].
    pub fn ask(&self, from: Option<IpAddr>) -> Result<(), TokenError> {
        Ok(self.limits.ask(from)?)
    }

    /// Whether this may be tried: not as long as too many like it have failed.
    pub(super) fn may_try(&self, client: &Presented, from: Origin) -> Result<(), TokenError> {
        Ok(self.limits.may_try(client.client_id(), from)?)
    }

    /// Notes that it failed, where what failed is a proof of who it is. Keys that cannot be fetched tell that there is such a
    /// client, so nobody may go on trying names by them; but they are not held against the client.
    pub(super) fn tried(&self, client: &Presented, from: Origin, error: &TokenError) {
        match error {
            TokenError::InvalidClient | TokenError::InvalidGrant => {
                self.limits.failed(client.client_id(), from);
            }
            TokenError::KeysUnavailable => self.limits.failed(None, from),
            _ => {}
        }
    }

    /// Counts a token for a client that has proved itself, and for its tenant.
    pub(super) fn take(&self, record: &Record, now: Timestamp) -> Result<Allowances, TokenError> {
        Ok(self.limits.take(&record.credential, &record.tsg_id, now)?)
    }

    /// Notes what an account has proved itself by, and from where.
    pub(super) fn note(
        &self,
        record: &Record,
        credential_id: CredentialId,
        from: Option<IpAddr>,
        now: Timestamp,
    ) {
        self.usage.note(&Proved { account: record.service_account_id, credential_id, from, now });
    }

    /// Counts a token that was got.
    pub(super) fn count(&self, record: &Record, from: Option<IpAddr>, now: Timestamp) {
        let (account, tsg_id) = (record.service_account_id, record.tsg_id.as_str());
        self.usage.count(&Got { account, tsg_id, from, now });
    }
}
