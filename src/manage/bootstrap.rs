//! The first tenant and its administrator, made by an operator at the command line: there is nobody
//! yet whose rights could be asked.

use garde::Validate;
use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom, SystemRandom};
use serde_json::json;
use uuid::Uuid;

use super::ManageError;
use super::tenants::NewTenant;
use crate::domain::ids::{NoRandomness, PublicId};
use crate::domain::numbering;
use crate::domain::secret::{Secret, SecretKind};
use crate::domain::tenant::{TsgId, client_id};
use crate::seal::Pepper;
use crate::store::access_policies::{self, NewAccessPolicy};
use crate::store::audit::{self, Event};
use crate::store::client_secrets::{self, NewClientSecret};
use crate::store::licenses::{self, NewLicense};
use crate::store::outcome::Inserted;
use crate::store::service_accounts::{self, NewServiceAccount};
use crate::store::{Store, StoreError, Tx, products, roles, tenants};

/// Who did it, as the audit says.
const ACTOR: &str = "carnet";
/// The predefined role that holds every permission.
const SUPERUSER: &str = "superuser";
/// The most products that get a license.
const PRODUCTS: i64 = 200;
/// How long those licenses are good.
const LICENSED: SignedDuration = SignedDuration::from_hours(10 * 366 * 24);

/// What was made. The secret is nowhere else.
pub struct Bootstrapped {
    /// The new tenant.
    pub tsg_id: TsgId,
    /// Its administrator.
    pub client_id: String,
    /// The administrator's secret; pending until a server of every region has it.
    pub client_secret: Secret,
}

/// Why nothing was made.
#[derive(Debug, thiserror::Error)]
pub enum BootstrapError {
    /// The API would not take the name either.
    #[error("the name of a tenant {0}")]
    Name(String),
    /// What every use case may say.
    #[error(transparent)]
    Manage(#[from] ManageError),
}

/// Makes a tenant at the root of a tree, licensed for every product, and an administrator who may do
/// everything in it and below.
///
/// # Errors
/// [`BootstrapError`].
pub async fn bootstrap(
    store: &Store,
    pepper: &Pepper,
    domain: &str,
    name: &str,
) -> Result<Bootstrapped, BootstrapError> {
    usable(name)?;
    Ok(make(store, pepper, domain, name).await?)
}

/// The rule is that of `POST /v1/tenants`.
fn usable(name: &str) -> Result<(), BootstrapError> {
    let tenant = NewTenant { name: name.to_owned(), parent_tsg_id: None };
    tenant.validate().map_err(|report| {
        let faults: Vec<_> = report.iter().map(|(_, error)| error.message()).collect();
        BootstrapError::Name(faults.join(", "))
    })
}

async fn make(store: &Store, pepper: &Pepper, domain: &str, name: &str) -> Result<Bootstrapped, ManageError> {
    let random = SystemRandom::new();
    let tsg_id = TsgId::from_random(u64::from_be_bytes(draw(&random)?));
    let client_id = client_id("administrator", &tsg_id, domain);
    let secret = Secret::generate(SecretKind::Client, PublicId::generate(&random)?, &random)?;
    store
        .run_tx("bootstrap", &tsg_id, async |tx| {
            let now = tenants::insert_root(tx, &tsg_id, name).await?;
            insert_administrator(tx, &tsg_id, &client_id, pepper, &secret, row_id(&random, now)?).await?;
            let superuser = roles::find_by_name(tx, &tsg_id, SUPERUSER).await?;
            let policy = NewAccessPolicy {
                id: row_id(&random, now)?,
                tsg_id: &tsg_id,
                principal: &client_id,
                role_id: superuser.map(|role| role.id),
                products: None,
                target: &tsg_id,
            };
            fresh(access_policies::insert(tx, &policy).await?)?;
            for product in products::list(tx, None, PRODUCTS).await? {
                let (id, ends_at) = (row_id(&random, now)?, now + LICENSED);
                let license = NewLicense { id, tsg_id: &tsg_id, product: &product.product, ends_at };
                fresh(licenses::insert(tx, &license).await?)?;
            }
            let details = json!({ "name": name, "administrator": client_id });
            let (action, target) = ("tenant.bootstrap", tsg_id.as_str());
            audit::insert(tx, &Event { tsg_id: &tsg_id, actor: ACTOR, action, target, details }).await?;
            Ok::<_, ManageError>(())
        })
        .await?;
    Ok(Bootstrapped { tsg_id, client_id, client_secret: secret })
}

async fn insert_administrator(
    tx: &mut Tx,
    tsg_id: &TsgId,
    client_id: &str,
    pepper: &Pepper,
    secret: &Secret,
    id: Uuid,
) -> Result<(), ManageError> {
    let account = NewServiceAccount {
        id,
        tsg_id,
        name: "Administrator",
        client_id,
        description: Some("Made with the tenant"),
        contact_email: None,
        dpop_bound: false,
        created_by: ACTOR,
    };
    fresh(service_accounts::insert(tx, &account).await?)?;
    let (pepper, hash) = pepper.hash(secret);
    let credential_id = secret.public_id();
    let row = NewClientSecret {
        credential_id: credential_id.as_str(),
        tsg_id,
        service_account_id: id,
        client_id,
        name: "default",
        pepper,
        hash,
        expires_at: None,
        replaces: None,
    };
    client_secrets::insert(tx, &row).await?;
    Ok(())
}

/// In a tenant that was made a moment ago nothing is there already.
fn fresh(inserted: Inserted) -> Result<(), StoreError> {
    match inserted {
        Inserted::New => Ok(()),
        Inserted::AlreadyThere => Err(StoreError::Broken("a new tenant is empty".into())),
    }
}

fn draw<const N: usize>(random: &SystemRandom) -> Result<[u8; N], NoRandomness> {
    let mut bytes = [0; N];
    random.fill(&mut bytes).map_err(|_| NoRandomness)?;
    Ok(bytes)
}

fn row_id(random: &SystemRandom, now: Timestamp) -> Result<Uuid, NoRandomness> {
    Ok(numbering::row_id(now, draw(random)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_the_api_would_refuse_is_refused() {
        assert!(usable("Acme Build Farm").is_ok() && usable(&"x".repeat(128)).is_ok());
        for bad in ["", " ", "Acme ", "Ac\u{200b}me", "Acme\n", &"x".repeat(129)] {
            let error = usable(bad).expect_err(bad).to_string();
            assert!(error.starts_with("the name of a tenant "), "{error}");
        }
        let error = usable("Acme ").expect_err("a blank").to_string();
        assert_eq!(error, "the name of a tenant must neither begin nor end with white space");
    }
}
