//! Regenerating a key: the new one is warmed in every region first; then, in one transaction, it turns valid and the old one is
//! withdrawn (`flip_ready`), or ends after an overlap. At no time are there none; unless the old one is to go at once.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;

use super::create::{CreatedApiKey, licensed};
use super::ending::Ending;
use super::refused::KeyRefused;
use super::{Held, held, needs_some, read};
use crate::domain::key::{KeyStatus, credential_of};
use crate::domain::key_policy::KeyStyle;
use crate::domain::numbering;
use crate::domain::rights::Permission;
use crate::domain::secret::Secret;
use crate::domain::tenant::TsgId;
use crate::manage::once::{self, Made, Once};
use crate::manage::{Caller, Manage, ManageError, Patience, Withdrawn, record, redrawn, text};
use crate::store::api_keys;
use crate::store::caller::Hold;
use crate::store::{Changed, Tx, receipts};

/// What two who regenerate are equally fast in.
const OUTRUN: [&str; 2] = ["api_key_pkey", "api_key_one_successor"];

/// How to regenerate a key.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct Regeneration {
    /// The old one goes first: there is a gap until every region has the new one.
    #[garde(skip)]
    #[serde(default)]
    pub immediate: bool,
    /// How long the old one works beside the new one once that is valid, seconds; 30 days at most.
    #[garde(range(max = 2_592_000))]
    #[serde(default)]
    pub overlap_seconds: u32,
    /// What people say of the new one; as of the old one when not given.
    #[garde(length(chars, max = 1024), inner(custom(text::lines)))]
    pub comment: Option<String>,
}

impl Manage {
    /// Makes a key that takes the place of another, and answers at once. Immediately regenerated, the old one is withdrawn
    /// first, and the answer waits until nobody accepts it.
    ///
    /// # Errors
    /// [`ManageError`]: `not_allowed_by_policy`, `api_key_not_valid`, `regeneration_under_way`, `overlap_too_long`,
    /// `license_required`, and what every use case may say.
    pub async fn regenerate_api_key(
        &self,
        caller: &Caller,
        tsg_id: &TsgId,
        id: i64,
        how: &Regeneration,
        once: Option<&Once>,
        patience: Patience,
    ) -> Result<Made<Withdrawn<CreatedApiKey>>, ManageError> {
        let regenerate = async |tx: &mut Tx| {
            let standing = self.admit(tx, caller, tsg_id, Hold::Caller).await?;
            needs_some(&standing.rights, &[Permission::ApiKey])?;
            let new = numbering::api_key_id(standing.now, self.draw()?);
            if let Some(first) = once::claim(tx, caller, tsg_id, once, &new.to_string()).await? {
                let key = read(tx, tsg_id, once::resource(&first)?).await?;
                let gone = receipts::find_of_key(tx, tsg_id, id).await?.filter(|_| how.immediate);
                let replay = Made::before(CreatedApiKey { key, secret: None });
                return Ok((replay, gone.map(|receipt| receipt.name())));
            }
            let held = held(tx, &standing, tsg_id, id).await?;
            regenerable(&held, how)?;
            if api_keys::has_successor(tx, tsg_id, id).await? {
                return Err(KeyRefused::UnderWay.into());
            }
            let secret = self.write_successor(tx, caller, &held, new, how).await?;
            if how.immediate {
                let why = Some("regenerated at once");
                if api_keys::revoke(tx, &held.key, &caller.client_id, why).await? == Changed::NotThere {
                    return Err(ManageError::NotFound);
                }
            }
            let details = json!({ "replaced_by": new.to_string(), "immediate": how.immediate, "overlap_seconds": how.overlap_seconds });
            record(tx, caller, tsg_id, "api_key.regenerate", &id.to_string(), details).await?;
            Ok((Made::now(CreatedApiKey { key: read(tx, tsg_id, new).await?, secret }), None))
        };
        let run = async || {
            if how.immediate {
                return self.withdraw("api_key.regenerate", tsg_id, patience, regenerate).await;
            }
            let done = self.store.run_tx("api_key.regenerate", tsg_id, regenerate).await?;
            Ok(Withdrawn { value: done.value.0, receipt: None })
        };
        let Withdrawn { value: Made { value, replayed }, receipt } = redrawn(&OUTRUN, run).await?;
        Ok(Made { value: Withdrawn { value, receipt }, replayed })
    }

    async fn write_successor(
        &self,
        tx: &mut Tx,
        caller: &Caller,
        Held { key: old, product, .. }: &Held,
        id: i64,
        how: &Regeneration,
    ) -> Result<Option<Secret>, ManageError> {
        let license = licensed(tx, &old.tsg_id, product).await?;
        let asked = api_keys::asked_end(tx, &old.tsg_id, old.api_key_id).await?;
        let end = Ending::within(asked, license);
        let drawn = self.draw_key(id, product.key_style, old.security_level)?;
        let (secret, proof) = drawn.map(|drawn| (drawn.secret, drawn.proof)).unzip();
        let overlap = i32::try_from(how.overlap_seconds).unwrap_or(i32::MAX);
        let row = api_keys::NewApiKey {
            api_key_id: id,
            tsg_id: &old.tsg_id,
            product: &old.product,
            slot: None,
            name: old.name.as_deref(),
            name_is_unique: product.key_policy.name_is_unique,
            service_account_id: None,
            role_id: old.role_id,
            credential: &credential_of(id),
            proof,
            security_level: old.security_level,
            comment: how.comment.as_deref().or(old.comment.as_deref()),
            asked_expires_at: end.asked,
            expires_at: Some(end.expires_at),
            created_by: &caller.client_id,
            replaces: Some((old.api_key_id, overlap)),
        };
        api_keys::insert(tx, &row).await?;
        Ok(secret)
    }
}

fn regenerable(Held { key, product, now }: &Held, how: &Regeneration) -> Result<(), ManageError> {
    let never =
        |instead| KeyRefused::Never { product: product.product.clone(), what: "regenerated", instead };
    if product.key_style == KeyStyle::BoundServiceAccount {
        return Err(never("rotate a secret of its service account").into());
    }
    if !product.key_policy.may_be_regenerated {
        return Err(never("revoke it, and make another one").into());
    }
    if key.status != KeyStatus::Valid {
        return Err(KeyRefused::NotValid(key.status.as_str()).into());
    }
    let overlap = jiff::SignedDuration::from_secs(i64::from(how.overlap_seconds));
    if how.overlap_seconds > 0 && key.expires_at.is_some_and(|end| end.duration_since(*now) <= overlap) {
        return Err(KeyRefused::OverlapTooLong.into());
    }
    Ok(())
}
