//! What settles keys: acknowledgements, the guarded flip, and the frontier that ends withdrawals.

use futures_util::future::join;
use tokio_postgres::Row;

use super::records::Batch;
use super::{Store, StoreError, within};

/// What is pending, seen from one region.
#[derive(Clone, Debug)]
pub struct Pending {
    /// Everything that is, oldest change first.
    pub credentials: Vec<String>,
    /// The records of those that this region has not acknowledged.
    pub missing: Batch,
}

/// What was pending in a credential is valid.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Flipped {
    /// Which.
    pub credential: String,
    /// In which version, or an earlier one that was there when it was asked for.
    pub version: i64,
    /// The change that came with it.
    pub seq: i64,
}

/// How far everybody is who may answer from a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frontier {
    /// All changes up to this one are applied everywhere.
    pub seq: i64,
    /// False while leases of another history may be alive; then nothing is proven.
    pub settled: bool,
}

impl Flipped {
    fn from_row(row: &Row) -> Result<Self, StoreError> {
        let (version, seq) = (row.try_get("version")?, row.try_get("seq")?);
        Ok(Self { credential: row.try_get("credential")?, version, seq })
    }
}

impl Store {
    /// At most `limit` credentials with something pending, but for those `aside`.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_pending(
        &self,
        region: &str,
        limit: i64,
        aside: &[String],
    ) -> Result<Pending, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/credential_list_pending.sql");
        let rows = self.engine_query(LIST, &[&region, &limit, &aside]).await?;
        let name = |row: &Row| Ok(row.try_get("credential")?);
        let credentials = rows.iter().map(name).collect::<Result<_, StoreError>>()?;
        Ok(Pending { credentials, missing: Batch::from_rows(&rows)? })
    }

    /// Whether something in this credential is pending.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn is_unsettled(&self, credential: &str) -> Result<bool, StoreError> {
        const ASK: &str = include_str!("../../sql/queries/credential_is_unsettled.sql");
        let rows = self.engine_query(ASK, &[&credential]).await?;
        Ok(rows.first().map(|row| row.try_get(0)).transpose()?.unwrap_or(false))
    }

    /// Says that this region has read these `(credential, version)` back in this epoch, and then turns pending valid
    /// in those of `credentials` that lack nothing; which ones. In one go, because the authority may be far away.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn acknowledge_and_flip(
        &self,
        region: &str,
        epoch: i64,
        read_back: &[(String, i64)],
        credentials: &[String],
    ) -> Result<Vec<Flipped>, StoreError> {
        const UPSERT: &str = include_str!("../../sql/queries/acknowledgement_upsert_many.sql");
        const FLIP: &str = include_str!("../../sql/queries/credential_flip_ready.sql");
        let (names, versions): (Vec<&str>, Vec<i64>) =
            read_back.iter().map(|(c, v)| (c.as_str(), *v)).unzip();
        let work = async {
            let client = self.lend(&self.engine).await?;
            let (upsert, flip) = join(client.prepare_cached(UPSERT), client.prepare_cached(FLIP)).await;
            let (upsert, flip) = (upsert?, flip?);
            let what: super::Params<'_> = &[&region, &epoch, &names, &versions];
            let which: super::Params<'_> = &[&credentials];
            // Executed in this order, each in a transaction of its own: the flip sees the acknowledgements.
            let acknowledge =
                async { if read_back.is_empty() { Ok(0) } else { client.execute(&upsert, what).await } };
            let flip = async {
                if credentials.is_empty() { Ok(Vec::new()) } else { client.query(&flip, which).await }
            };
            let (acknowledged, flipped) = join(acknowledge, flip).await;
            acknowledged?;
            let flipped = flipped?;
            client.give_back();
            flipped.iter().map(Flipped::from_row).collect()
        };
        within(self.options.timeout, work).await
    }

    /// How far everybody is; what that proves is written before it is told: receipts, and that what was
    /// revoking is revoked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn settle_receipts(&self) -> Result<Frontier, StoreError> {
        const SETTLE: &str = include_str!("../../sql/queries/receipt_settle.sql");
        let rows = self.engine_query(SETTLE, &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("the authority has one row".into()))?;
        Ok(Frontier { seq: row.try_get("frontier")?, settled: row.try_get("settled")? })
    }
}
