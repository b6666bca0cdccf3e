//! Products: what is licensed and has an API, with the policy of its keys. The same for everybody, shown to every account that is
//! alive, and made by tenants at the root: an operator adds one, and has a working kind of key.

use garde::Validate;
use serde::Deserialize;
use serde_json::json;

use super::once::{self, Made, Once};
use super::products_refused::ProductRefused;
use super::{Caller, Expected, Listing, Manage, ManageError, Page, needs, record, text};
use crate::domain::algorithm::Algorithm;
use crate::domain::key_policy::{KeyPolicy, KeyStyle};
use crate::domain::rights::Permission;
use crate::store::caller::Hold;
use crate::store::products::{self, Product};
use crate::store::{Changed, Inserted, Tx};

/// A product to make.
#[derive(Clone, Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewProduct {
    /// Its name.
    #[garde(custom(is_name))]
    pub product: String,
    /// Its name for people.
    #[garde(length(chars, min = 1, max = 128), custom(text::one_line))]
    pub title: String,
    /// The URI that names its API (RFC 8707 §2).
    #[garde(custom(is_audience))]
    pub audience: String,
    /// How tokens for it will be signed.
    #[garde(skip)]
    #[serde(default = "usual_algorithm")]
    pub algorithm: Algorithm,
    /// How long they will live at most, seconds.
    #[garde(range(min = 60, max = 900))]
    #[serde(default = "usual_lifetime")]
    pub token_lifetime_seconds: i32,
    /// How a key is presented.
    #[garde(skip)]
    pub key_style: KeyStyle,
    /// The other rules of its keys.
    #[garde(skip)]
    pub key_policy: KeyPolicy,
}

/// What to change of a product; what is not given stays (RFC 7396). What its keys were made by does not change.
#[derive(Clone, Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct ProductChange {
    /// Its name for people.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    pub title: Option<String>,
}

impl Manage {
    /// Makes a product.
    ///
    /// # Errors
    /// [`ManageError`]: `product_exists`, `policy_contradicts`, `unknown_permission`, and what every use case may say.
    pub async fn create_product(
        &self,
        caller: &Caller,
        new: &NewProduct,
        once: Option<&Once>,
    ) -> Result<Made<Product>, ManageError> {
        let own = &caller.tsg_id;
        let create = async |tx: &mut Tx| {
            needs(&self.at_root(tx, caller, Hold::Caller).await?, Permission::Product)?;
            if let Some(first) = once::claim(tx, caller, own, once, &new.product).await? {
                return Ok(Made::before(read(tx, &first).await?));
            }
            if new.audience == self.issuer {
                return Err(ProductRefused::OwnAudience.into());
            }
            if let Some(contradiction) = new.key_policy.contradiction(new.key_style) {
                return Err(ProductRefused::Contradicts(contradiction).into());
            }
            let unknown =
                products::list_unknown_permissions(tx, &new.key_policy.required_permissions).await?;
            if !unknown.is_empty() {
                return Err(ManageError::UnknownPermission(unknown));
            }
            if products::insert(tx, &row(new)).await? == Inserted::AlreadyThere {
                return Err(ProductRefused::Exists.into());
            }
            let details =
                json!({ "audience": new.audience, "key_style": new.key_style, "key_policy": new.key_policy });
            record(tx, caller, own, "product.create", &new.product, details).await?;
            Ok(Made::now(read(tx, &new.product).await?))
        };
        Ok(self.in_tenant("product.create", own, create).await?.value)
    }

    /// Changes what people call a product.
    ///
    /// # Errors
    /// [`ManageError`]: `stale_etag`, and what every use case may say.
    pub async fn change_product(
        &self,
        caller: &Caller,
        name: &str,
        expected: &Expected,
        change: &ProductChange,
    ) -> Result<Product, ManageError> {
        let own = &caller.tsg_id;
        let update = async |tx: &mut Tx| {
            needs(&self.at_root(tx, caller, Hold::Caller).await?, Permission::Product)?;
            let before = read(tx, name).await?;
            expected.check(before.revision)?;
            let title = change.title.clone().unwrap_or_else(|| before.title.clone());
            if title == before.title {
                return Ok(before);
            }
            if products::update(tx, &Product { title, ..before.clone() }).await? == Changed::NotThere {
                // Another was faster, and changed it meanwhile.
                return Err(ManageError::StaleEtag(read(tx, name).await?.revision));
            }
            record(tx, caller, own, "product.update", name, json!({ "title": change.title })).await?;
            read(tx, name).await
        };
        Ok(self.in_tenant("product.update", own, update).await?.value)
    }

    /// One product.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn product(&self, caller: &Caller, name: &str) -> Result<Product, ManageError> {
        let find = async |tx: &mut Tx| {
            self.admit(tx, caller, &caller.tsg_id, Hold::Nothing).await?;
            read(tx, name).await
        };
        Ok(self.in_tenant("product.find", &caller.tsg_id, find).await?.value)
    }

    /// The products.
    ///
    /// # Errors
    /// [`ManageError`].
    pub async fn list_products(
        &self,
        caller: &Caller,
        page: &Page<String>,
    ) -> Result<Listing<Product, String>, ManageError> {
        let list = async |tx: &mut Tx| {
            self.admit(tx, caller, &caller.tsg_id, Hold::Nothing).await?;
            let rows = products::list(tx, page.after.as_deref(), page.probe()).await?;
            Ok(Listing::of(rows, page, |p| p.product.clone()))
        };
        Ok(self.in_tenant("product.list", &caller.tsg_id, list).await?.value)
    }
}

async fn read(tx: &Tx, name: &str) -> Result<Product, ManageError> {
    products::find(tx, name).await?.ok_or(ManageError::NotFound)
}

fn row(new: &NewProduct) -> Product {
    let NewProduct { product, title, audience, algorithm, token_lifetime_seconds, key_style, key_policy } =
        new.clone();
    Product {
        product,
        title,
        audience,
        algorithm,
        token_lifetime_seconds,
        key_style,
        key_policy,
        revision: 1,
    }
}

fn usual_algorithm() -> Algorithm {
    Algorithm::RS256
}

fn usual_lifetime() -> i32 {
    900
}

fn is_name<C>(name: &str, _: &C) -> garde::Result {
    let fits = (2..=63).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| matches!(b, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if fits {
        Ok(())
    } else {
        Err(garde::Error::new("must be 2 to 63 of a-z, 0-9 and _, beginning with a letter"))
    }
}

/// RFC 8707 §2: an absolute URI without a fragment.
fn is_audience<C>(uri: &str, _: &C) -> garde::Result {
    let absolute = uri.len() <= 255 && uri.is_ascii() && !uri.contains(['#', ' ', '"', '<', '>', '\\']);
    if absolute && reqwest::Url::parse(uri).is_ok() {
        Ok(())
    } else {
        Err(garde::Error::new("must be an absolute URI without a fragment (RFC 8707 §2)"))
    }
}
