//! Statements from where there is no runtime, or somebody else's.

use std::time::Duration;

use tokio_postgres::{NoTls, SimpleQueryMessage};

/// The first value of the last rows, as text.
pub type Value = Option<String>;

/// How long Postgres may take: a commit may have to wait for a standby.
const PATIENCE: Duration = Duration::from_secs(10);

/// Runs a job on a runtime of its own, which its caller may well be inside one of already.
pub fn on_a_runtime<T: Send>(job: impl Future<Output = T> + Send) -> T {
    let in_a_runtime = || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        runtime.expect("a runtime").block_on(job)
    };
    std::thread::scope(|scope| scope.spawn(in_a_runtime).join()).expect("the job does not panic")
}

/// Runs statements, one after the other.
pub fn sql(url: &str, statements: &str) -> Result<Value, String> {
    sql_within(PATIENCE, url, statements)
}

/// The same with another patience.
pub fn sql_within(limit: Duration, url: &str, statements: &str) -> Result<Value, String> {
    let run = async {
        let (client, connection) =
            tokio_postgres::connect(url, NoTls).await.map_err(|error| words(&error))?;
        tokio::spawn(connection);
        let messages = client.simple_query(statements).await.map_err(|error| words(&error))?;
        let first = messages.iter().rev().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).map(ToOwned::to_owned)),
            _ => None,
        });
        Ok(first.flatten())
    };
    let late = |_| Err(format!("no answer within {limit:?}"));
    on_a_runtime(async { tokio::time::timeout(limit, run).await.unwrap_or_else(late) })
}

fn words(error: &tokio_postgres::Error) -> String {
    error.as_db_error().map_or_else(|| format!("{error:?}"), ToString::to_string)
}
