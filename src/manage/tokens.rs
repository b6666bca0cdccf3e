//! Taking back one token (RFC 7009). The client that has got it may, and the account whose it is; so may who may change that
//! account and holds no less than it, for he could as well take back what the token was got by. Who acts for an account may take back
//! the tokens that it has got for that, and not so many that the account itself could take back no more.

use jiff::Timestamp;
use serde_json::json;

use super::{Caller, Manage, ManageError, Patience, Withdrawn, holds_no_more, needs, record};
use crate::domain::revoked_token::name_of;
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::store::caller::Hold;
use crate::store::revoked_tokens::{self, Noted, Revocation};
use crate::store::service_accounts::{self, ServiceAccount};
use crate::store::{Tx, receipts};
use crate::token::claims::AccessClaims;

impl Manage {
    /// Takes a token back that was issued to an account of this tenant, and waits until nobody honours it. Who asks again
    /// waits again. Nothing is done when as many are taken back already as may be.
    ///
    /// # Errors
    /// [`ManageError`]: not found, permission denied or cannot grant when it is not the caller's to take back.
    pub async fn revoke_token(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        claims: &AccessClaims,
    ) -> Result<Withdrawn<Noted>, ManageError> {
        let expires_at = Timestamp::from_second(claims.exp).map_err(|_| ManageError::InvalidToken)?;
        let revoke = async |tx: &mut Tx| {
            let subject = &claims.sub;
            let noted = match self.hold_subject(tx, caller, tsg_id, claims).await? {
                Some(account) => {
                    let token = name_of(&claims.jti);
                    let by_actor = caller.client_id == claims.client_id && caller.client_id != *subject;
                    revoked_tokens::revoke(tx, &account, Revocation { token, expires_at, by_actor }).await?
                }
                // A deleted account took all its tokens with it.
                None => Noted::Before,
            };
            let before = match noted {
                Noted::Now => {
                    let details =
                        json!({ "client_id": claims.client_id, "sub": subject, "expires_at": expires_at });
                    record(tx, caller, tsg_id, "token.revoke", &claims.jti, details).await?;
                    None
                }
                // The last withdrawal of this account is this one, or later: whoever has heard of it has heard of this.
                Noted::Before => receipts::name_of_credential(tx, tsg_id, subject).await?,
                Noted::Full | Noted::FullForActors => None,
            };
            Ok((noted, before))
        };
        self.withdraw("token.revoke", tsg_id, Patience::Waits, revoke).await
    }

    /// Holds the account whose token it is, by who may take from it; nothing when it is deleted.
    async fn hold_subject(
        &self,
        tx: &Tx,
        caller: &Caller,
        tsg_id: &TsgId,
        claims: &AccessClaims,
    ) -> Result<Option<ServiceAccount>, ManageError> {
        let account = service_accounts::find_by_client_id(tx, tsg_id, &claims.sub).await?;
        let hold = account.as_ref().map_or(Hold::Caller, |account| Hold::Change(account.id));
        let standing = self.admit(tx, caller, tsg_id, hold).await?;
        if ![&claims.client_id, &claims.sub].contains(&&caller.client_id) {
            needs(&standing.rights, Permission::ServiceAccount)?;
            holds_no_more(tx, caller, &claims.sub).await?;
        }
        Ok(account)
    }
}
