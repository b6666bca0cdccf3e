//! The servers of `carnet dev`: one for each region, all in this process, each beside a Redis of its own.
//!
//! The first one is the issuer for all of them, so that the tokens of one are good at the others.

use std::time::Duration;

use anyhow::{Context, bail};
use futures_util::future::{join, join_all};
use tokio_util::sync::CancellationToken;

use super::demo::Demo;
use crate::app::App;
use crate::config::Config;
use crate::domain::region::RegionState;
use crate::store::Store;

/// The longest that regions and the demo administrator's secret may take to be good everywhere.
const SETTLED: Duration = Duration::from_secs(30);
/// The wait between two looks at a region.
const LOOK_EVERY: Duration = Duration::from_millis(50);
/// Connections to Postgres of all servers together; a private one has 200.
const CONNECTIONS: usize = 160;

/// One running server for each region, the first one first.
pub(super) struct Servers(Vec<App>);

impl Servers {
    /// Starts one server for each Redis. `first` is how the first one is set up.
    pub async fn start(first: Config, redis_urls: &[String]) -> anyhow::Result<Self> {
        let mut servers: Vec<App> = Vec::new();
        for (number, redis_url) in redis_urls.iter().enumerate() {
            let mut config = first.clone();
            config.redis_url = redis_url.clone().into();
            config.workers = (first.workers / redis_urls.len()).max(1);
            config.database_connections = (CONNECTIONS / redis_urls.len()).min(first.database_connections);
            if redis_urls.len() > 1 {
                config.region = format!("region-{}", number + 1);
            }
            if let Some(first) = servers.first() {
                config.issuer = Some(first.issuer().to_owned());
                config.tls = None;
                ANY_PORT.clone_into(&mut config.bind);
            }
            servers.push(build(config).await?);
        }
        Ok(Self(servers))
    }

    /// The one that `CARNET_URL` names.
    ///
    /// # Panics
    /// When no server was asked for.
    pub fn first(&self) -> &App {
        self.0.first().expect("at least one region was asked for")
    }

    /// Where each of them is.
    pub fn urls(&self) -> Vec<String> {
        self.0.iter().map(|app| format!("http://{}", app.address())).collect()
    }

    /// Waits until keys wait for every region, and the demo administrator can be used in all of them.
    pub async fn settle(&self, store: &Store, demo: &Demo) -> anyhow::Result<()> {
        for app in &self.0 {
            let settled = tokio::time::timeout(SETTLED, until_required(store, app.region()));
            settled.await.with_context(|| {
                format!("the region {} did not catch up within {SETTLED:?}", app.region())
            })??;
        }
        if !self.first().manage().spread.flipped(&demo.client_id, SETTLED).await {
            bail!("the demo administrator's secret was not valid within {SETTLED:?}");
        }
        Ok(())
    }

    /// Serves until `until` resolves, or one of them breaks, which ends the others as well.
    pub async fn run_until(self, until: impl Future<Output = ()>) -> anyhow::Result<()> {
        let stop = CancellationToken::new();
        let serving = self.0.into_iter().map(|app| {
            let stop = stop.clone();
            async move {
                let ended = app.run_until(stop.cancelled()).await;
                stop.cancel();
                ended
            }
        });
        let stopping = async {
            stop.run_until_cancelled(until).await;
            stop.cancel();
        };
        let (ended, ()) = join(join_all(serving), stopping).await;
        ended.into_iter().collect()
    }
}

/// Where a server listens whose port nobody has asked for.
const ANY_PORT: &str = "127.0.0.1:0";

async fn build(config: Config) -> anyhow::Result<App> {
    match App::build(config.clone()).await {
        // Whoever starts two at once does not care which of them gets the port.
        Err(error) if is_in_use(&error) => App::build(Config { bind: ANY_PORT.to_owned(), ..config }).await,
        built => built,
    }
}

fn is_in_use(error: &anyhow::Error) -> bool {
    let cause = error.root_cause().downcast_ref::<std::io::Error>();
    cause.is_some_and(|cause| cause.kind() == std::io::ErrorKind::AddrInUse)
}

async fn until_required(store: &Store, region: &str) -> anyhow::Result<()> {
    loop {
        let now = store.read_region(region).await?;
        if now.is_some_and(|(now, _)| now.state == RegionState::Required) {
            return Ok(());
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}
