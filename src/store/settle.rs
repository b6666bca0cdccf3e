//! What settles keys: acknowledgements, the guarded flip, the frontier, and the end of a revocation.

use super::{Store, StoreError};

/// A credential with something pending in it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unsettled {
    /// Whose record.
    pub credential: String,
    /// Whether this region has acknowledged the present version in its present epoch.
    pub acknowledged: bool,
}

/// How far everybody is who may answer from a cache.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Frontier {
    /// All changes up to this one are applied everywhere.
    pub seq: i64,
    /// False while leases of another history may be alive; then nothing is proven.
    pub settled: bool,
}

impl Store {
    /// At most `limit` credentials with something pending, seen from this region.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn list_unsettled(&self, region: &str, limit: i64) -> Result<Vec<Unsettled>, StoreError> {
        const LIST: &str = include_str!("../../sql/queries/credential_list_unsettled.sql");
        let rows = self.engine_query(LIST, &[&region, &limit]).await?;
        let unsettled = |row: &tokio_postgres::Row| {
            Ok(Unsettled { credential: row.try_get(0)?, acknowledged: row.try_get(1)? })
        };
        rows.iter().map(unsettled).collect()
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

    /// Says that this region has read these `(credential, version)` back in this epoch.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn acknowledge(
        &self,
        region: &str,
        epoch: i64,
        read_back: &[(String, i64)],
    ) -> Result<(), StoreError> {
        const UPSERT: &str = include_str!("../../sql/queries/acknowledgement_upsert_many.sql");
        let (credentials, versions): (Vec<&str>, Vec<i64>) =
            read_back.iter().map(|(c, v)| (c.as_str(), *v)).unzip();
        self.engine_query(UPSERT, &[&region, &epoch, &credentials, &versions]).await?;
        Ok(())
    }

    /// Turns pending valid in those of `credentials` that lack nothing; which ones.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn flip(&self, credentials: &[String]) -> Result<Vec<String>, StoreError> {
        const FLIP: &str = include_str!("../../sql/queries/credential_flip_ready.sql");
        let rows = self.engine_query(FLIP, &[&credentials]).await?;
        rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
    }

    /// How far everybody is; and what was revoking up to there is written as revoked.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn finish_revocations(&self) -> Result<Frontier, StoreError> {
        const FINISH: &str = include_str!("../../sql/queries/revocation_finish.sql");
        let rows = self.engine_query(FINISH, &[]).await?;
        let row = rows.first().ok_or_else(|| StoreError::Broken("the authority has one row".into()))?;
        Ok(Frontier { seq: row.try_get("frontier")?, settled: row.try_get("settled")? })
    }
}
