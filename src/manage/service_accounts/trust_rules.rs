//! The rules by which an account trusts tokens of its tenant's issuers.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;

use super::documents::{Document, Reading, Removable};
use crate::domain::claim_rule::ClaimRule;
use crate::domain::last_use::Watched;
use crate::domain::tenant::TsgId;
use crate::domain::trust::TrustRulePart;
use crate::manage::ManageError;
use crate::manage::trust_refused::TrustRefused;
use crate::store::revised::Revised;
use crate::store::service_accounts::ServiceAccount;
use crate::store::trust_rules::{self, NewTrustRule};
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
    revision: i32,
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

impl Document for ShownRules {
    const FIND: &'static str = "trust_rules.find";
    const REPLACE: &'static str = "trust_rules.replace";

    type New = NewTrustRules;
    type Wanted = Vec<NewTrustRule>;
    type Kept = Vec<TrustRulePart>;

    async fn find(tx: &Tx, tsg_id: &TsgId, account: Uuid) -> Result<Revised<Self::Kept>, StoreError> {
        trust_rules::find(tx, tsg_id, account).await
    }

    /// The issuers before the rules, as those do who take an issuer away.
    async fn read(new: &NewTrustRules, with: &Reading<'_>) -> Result<Self::Wanted, ManageError> {
        new.read(with.tx, with.tsg_id).await
    }

    fn is(kept: &Self::Kept, wanted: &Self::Wanted) -> bool {
        let same = |(old, new): (&TrustRulePart, &NewTrustRule)| {
            old.issuer_id == new.issuer_id && old.claims == new.claims
        };
        kept.len() == wanted.len() && kept.iter().zip(wanted).all(same)
    }

    async fn write(
        tx: &mut Tx,
        account: &ServiceAccount,
        kept: &Self::Kept,
        wanted: &Self::Wanted,
    ) -> Result<(), StoreError> {
        trust_rules::replace(tx, account, kept, wanted).await
    }

    fn told(before: &Self::Kept, after: &Self::Kept) -> Value {
        json!({ "rules": after, "before": before })
    }

    async fn show(
        tx: &Tx,
        tsg_id: &TsgId,
        account: Uuid,
        Revised { value, revision }: Revised<Self::Kept>,
    ) -> Result<Self, StoreError> {
        let uses = usage::of_account(tx, tsg_id, account).await?;
        let shown = |rule: TrustRulePart| uses.watch(rule.credential_id, rule);
        Ok(Self { rules: value.into_iter().map(shown).collect(), revision })
    }

    fn revision(&self) -> i32 {
        self.revision
    }
}

impl Removable for ShownRules {
    const DELETE: &'static str = "trust_rules.delete";
}
