//! How columns become nouns. What the schema does not allow is our own mistake, not an outage.

use std::str::FromStr;

use serde::Deserialize;
use serde::de::IntoDeserializer;
use serde::de::value::{Error, StrDeserializer};
use tokio_postgres::Row;

use super::StoreError;
use crate::domain::tenant::TsgId;

pub(super) fn broken(column: &str, error: impl std::fmt::Display) -> StoreError {
    StoreError::Broken(format!("column {column}: {error}").into())
}

/// An enum of the database, by the name that serde knows the variant by.
pub(super) fn variant<T: for<'de> Deserialize<'de>>(row: &Row, column: &str) -> Result<T, StoreError> {
    let text: &str = row.try_get(column)?;
    let name: StrDeserializer<'_, Error> = text.into_deserializer();
    T::deserialize(name).map_err(|e| broken(column, e))
}

/// Anything that reads itself from text.
pub(super) fn parsed<T: FromStr<Err: std::fmt::Display>>(row: &Row, column: &str) -> Result<T, StoreError> {
    row.try_get::<_, &str>(column)?.parse().map_err(|e| broken(column, e))
}

/// A tenant's number.
pub(super) fn tsg_id(row: &Row, column: &str) -> Result<TsgId, StoreError> {
    TsgId::parse(row.try_get(column)?).map_err(|e| broken(column, e))
}

/// A tenant's number where there may be none.
pub(super) fn tsg_id_opt(row: &Row, column: &str) -> Result<Option<TsgId>, StoreError> {
    let text: Option<&str> = row.try_get(column)?;
    text.map(|text| TsgId::parse(text).map_err(|e| broken(column, e))).transpose()
}
