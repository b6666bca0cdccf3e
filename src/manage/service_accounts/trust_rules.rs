//! The rules by which an account trusts tokens of its tenant's issuers. Every account has such a list; as a rule it is empty.
//!
//! Whoever could let a workload in as an account could act as that account: so nobody does who holds less than it.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use super::change::found;
use crate::domain::claim_rule::ClaimRule;
use crate::domain::last_use::Watched;
use crate::domain::rights::Permission;
use crate::domain::tenant::TsgId;
use crate::domain::trust::TrustRulePart;
use crate::manage::trust_refused::TrustRefused;
use crate::manage::{Caller, Expected, Manage, ManageError, Patience, Withdrawn, reads, record};
use crate::store::caller::Hold;
use crate::store::receipts::{self, ReceiptName};
use crate::store::service_accounts::ServiceAccount;
use crate::store::trust_rules::{self, NewTrustRule, Revised};
use crate::store::{StoreError, Tx, trusted_issuers, usage};

/// The most rules of an account, so that a record stays small.
pub const MOST_RULES: usize = 10;
/// The most claims of a rule.
pub const MOST_CLAIMS: usize = 10;

/// Rules to put in the place of those that are there.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewTrustRules {
    #[garde(length(min = 1, max = MOST_RULES), dive)]
    rules: Vec<NewRule>,
}

#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
struct NewRule {
    #[garde(skip)]
    issuer_id: Uuid,
    #[garde(length(min = 1, max = MOST_CLAIMS))]
    claims: Vec<ClaimRule>,
}

/// What is shown of an account's rules.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownRules {
    rules: Vec<Watched<TrustRulePart>>,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl ShownRules {
    async fn of(
        tx: &Tx,
        tsg_id: &TsgId,
        account: Uuid,
        Revised { rules, revision }: Revised,
    ) -> Result<Self, StoreError> {
        let uses = usage::of_account(tx, tsg_id, account).await?;
        let shown = |rule: TrustRulePart| uses.watch(rule.credential_id, rule);
        Ok(Self { rules: rules.into_iter().map(shown).collect(), revision })
    }
}

impl NewTrustRules {
    /// The rules, if each says who, and of an issuer of the tenant's, which stays until the end of the transaction.
    async fn read(&self, tx: &Tx, tsg_id: &TsgId) -> Result<Vec<NewTrustRule>, ManageError> {
        let ids: Vec<Uuid> = self.rules.iter().map(|rule| rule.issuer_id).collect();
        let issuers = trusted_issuers::use_all(tx, tsg_id, &ids).await?;
        let mut rules = Vec::new();
        for (at, NewRule { issuer_id, claims }) in self.rules.iter().enumerate() {
            let known = issuers.iter().find(|(id, _)| id == issuer_id);
            let &(_, kind) = known.ok_or(TrustRefused::UnknownIssuer(at))?;
            if !kind.is_named_by(claims) {
                return Err(TrustRefused::NamesNobody(at, kind).into());
            }
            let rule = NewTrustRule { issuer_id: *issuer_id, claims: claims.clone() };
            if rules.contains(&rule) {
                return Err(TrustRefused::RuleTwice(at).into());
            }
            rules.push(rule);
        }
        Ok(rules)
    }
}

impl Manage {
    /// The rules of an account.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn trust_rules(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
    ) -> Result<ShownRules, ManageError> {
        let find = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Nothing).await?;
            reads(&standing.rights, Permission::ServiceAccount)?;
            found(tx, tsg_id, account).await?;
            let rules = trust_rules::find(tx, tsg_id, account).await?;
            Ok(ShownRules::of(tx, tsg_id, account, rules).await?)
        };
        Ok(self.in_tenant("trust_rules.find", tsg_id, find).await?.value)
    }

    /// Puts other rules in the place of those that are there. Where one goes, waits until nobody accepts what was got by it; a
    /// new one holds at once.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, `unknown_trusted_issuer`, `invalid_trust_rule`, and what every use case may say.
    pub async fn replace_trust_rules(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
        expected: &Expected,
        new: &NewTrustRules,
        patience: Patience,
    ) -> Result<Withdrawn<ShownRules>, ManageError> {
        let replace = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, tsg_id, account).await?;
            // The issuers before the rules, as those do who take an issuer away.
            let rules = new.read(tx, tsg_id).await?;
            write(tx, caller, &account, expected, "trust_rules.replace", &rules).await
        };
        self.withdraw("trust_rules.replace", tsg_id, patience, replace).await
    }

    /// Takes all rules of an account away, and waits until nobody accepts what was got by them.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub async fn delete_trust_rules(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        account: Uuid,
        expected: &Expected,
        patience: Patience,
    ) -> Result<Withdrawn<ShownRules>, ManageError> {
        let delete = async |tx: &mut Tx| {
            let (_, account) = self.hold_account(tx, caller, tsg_id, account).await?;
            write(tx, caller, &account, expected, "trust_rules.delete", &[]).await
        };
        self.withdraw("trust_rules.delete", tsg_id, patience, delete).await
    }
}

/// Writes the rules of an account that is held; and the receipt to wait for where there is nothing to change.
pub(super) async fn write(
    tx: &mut Tx,
    caller: &Caller,
    account: &ServiceAccount,
    expected: &Expected,
    action: &'static str,
    rules: &[NewTrustRule],
) -> Result<(ShownRules, Option<ReceiptName>), ManageError> {
    let ServiceAccount { id, tsg_id, client_id, .. } = account;
    let before = trust_rules::find(tx, tsg_id, *id).await?;
    expected.check(before.revision)?;
    let same = |(old, new): (&TrustRulePart, &NewTrustRule)| {
        old.issuer_id == new.issuer_id && old.claims == new.claims
    };
    if before.rules.len() == rules.len() && before.rules.iter().zip(rules).all(same) {
        // Who asks again waits for what was withdrawn before.
        let told = receipts::name_of_credential(tx, tsg_id, client_id).await?;
        return Ok((ShownRules::of(tx, tsg_id, *id, before).await?, told));
    }
    let after = trust_rules::replace(tx, account, &before, rules).await?;
    let details = json!({ "client_id": client_id, "rules": after.rules, "before": before.rules });
    record(tx, caller, tsg_id, action, &id.to_string(), details).await?;
    Ok((ShownRules::of(tx, tsg_id, *id, after).await?, None))
}
