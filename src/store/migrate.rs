//! The schema: bringing it up to date, and refusing one that this program does not know.

use std::time::Duration;

use refinery::{Report, Runner};
use tokio_postgres::Client;

use super::tx::Caused;
use super::{Store, StoreError, pg_config, tls, within};

mod embedded {
    refinery::embed_migrations!("sql/migrations");
}

/// What a start finds.
#[derive(Debug, thiserror::Error)]
pub enum SchemaError {
    /// Migrations are missing.
    #[error("the database schema is at version {found}, this program needs {needed}: run `carnet migrate`")]
    Behind {
        /// The newest migration that has run; 0 for an empty database.
        found: i32,
        /// The newest that this program has.
        needed: i32,
    },
    /// The database is newer than the program.
    #[error(
        "the database schema is at version {found}, this program knows only up to {needed}: start the newer program"
    )]
    Ahead {
        /// The newest migration that has run.
        found: i32,
        /// The newest that this program has.
        needed: i32,
    },
    /// A migration that ran is not the one of that number here.
    #[error("migration {0} in the database is not this program's: is this another program's database?")]
    Foreign(i32),
    /// A role of ours could read every tenant's rows.
    #[error("the database role {0} can bypass row-level security: ALTER ROLE {0} NOSUPERUSER NOBYPASSRLS")]
    Bypass(String),
    /// A crash of Postgres could undo what was answered.
    #[error(
        "synchronous_commit is {0}: an answered revoke must survive a crash, so set it to on (or remote_apply)"
    )]
    Volatile(String),
    /// Postgres itself.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Caused for SchemaError {
    fn store_error(&self) -> Option<&StoreError> {
        if let Self::Store(error) = self { Some(error) } else { None }
    }
}

/// The longest that a look at the schema may take.
const LOOKING: Duration = Duration::from_secs(10);

impl Store {
    /// Brings the schema up to date, as the login role itself. Two at once wait for each other:
    /// refinery takes no lock, so an advisory one is held around it.
    ///
    /// # Errors
    /// [`StoreError`] when Postgres cannot be reached or a migration fails.
    pub async fn migrate(&self) -> Result<Report, StoreError> {
        let mut client = self.connect_as_owner().await?;
        client
            .batch_execute("SET statement_timeout = 0; SET lock_timeout = 0; SELECT pg_advisory_lock(7028)")
            .await?;
        let report = runner().run_async(&mut client).await;
        client.batch_execute("SELECT pg_advisory_unlock(7028)").await?;
        report.map_err(|e| StoreError::Broken(Box::new(e)))
    }

    /// Checks that the schema is exactly the one of this program, and its roles harmless.
    ///
    /// # Errors
    /// [`SchemaError`], whose message says what to do.
    pub async fn check_schema(&self) -> Result<(), SchemaError> {
        let looked = tokio::time::timeout(LOOKING, self.compare_schema()).await;
        looked.unwrap_or(Err(StoreError::TimedOut(LOOKING).into()))
    }

    async fn compare_schema(&self) -> Result<(), SchemaError> {
        let mut client = self.connect_as_owner().await?;
        let exists = client
            .query_one("SELECT to_regclass('refinery_schema_history') IS NOT NULL", &[])
            .await
            .map_err(StoreError::from)?;
        let runner = runner();
        let known = runner.get_migrations();
        let needed = known.iter().map(refinery::Migration::version).max().unwrap_or(0);
        let applied = if exists.get(0) {
            let applied = runner.get_applied_migrations_async(&mut client).await;
            applied.map_err(|e| StoreError::Broken(Box::new(e)))?
        } else {
            Vec::new()
        };
        let found = applied.iter().map(refinery::Migration::version).max().unwrap_or(0);
        for migration in &applied {
            let ours = known.iter().find(|k| k.version() == migration.version());
            if ours.is_some_and(|k| k.checksum() != migration.checksum()) {
                return Err(SchemaError::Foreign(migration.version()));
            }
        }
        match found.cmp(&needed) {
            std::cmp::Ordering::Less => Err(SchemaError::Behind { found, needed }),
            std::cmp::Ordering::Greater => Err(SchemaError::Ahead { found, needed }),
            std::cmp::Ordering::Equal => {
                refuse_bypass(&client).await?;
                self.refuse_volatile().await
            }
        }
    }

    async fn refuse_volatile(&self) -> Result<(), SchemaError> {
        const READ: &str = include_str!("../../sql/queries/setting_read_synchronous_commit.sql");
        let rows = self.engine_query(READ, &[]).await?;
        match rows.first().map(|row| row.get::<_, String>(0)) {
            Some(setting) if setting == "off" => Err(SchemaError::Volatile(setting)),
            _ => Ok(()),
        }
    }

    async fn connect_as_owner(&self) -> Result<Client, StoreError> {
        let config = pg_config(&self.options, None)?;
        let tls = tls::connector(self.options.ca_file.as_deref())?;
        let connect = async { Ok(config.connect(tls).await?) };
        let (client, connection) = within(self.options.timeout, connect).await?;
        tokio::spawn(async move {
            if let Err(error) = connection.await {
                tracing::debug!(%error, "the connection for migrations ended");
            }
        });
        Ok(client)
    }
}

async fn refuse_bypass(client: &Client) -> Result<(), SchemaError> {
    const ROLES: &str = include_str!("../../sql/queries/role_find_bypassing.sql");
    match client.query_opt(ROLES, &[]).await.map_err(StoreError::from)? {
        Some(row) => Err(SchemaError::Bypass(row.get(0))),
        None => Ok(()),
    }
}

fn runner() -> Runner {
    embedded::migrations::runner().set_abort_divergent(true).set_grouped(false)
}
