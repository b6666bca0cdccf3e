//! The real server, on a thread of its own and a free port.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use carnet::app::App;
use carnet::clock::Clock;
use carnet::config::Config;
use tokio::sync::oneshot;

/// A server that runs until this is dropped or stopped.
pub struct Server {
    /// Where the API is, without a trailing slash.
    pub url: String,
    /// Where it is encrypted; empty without.
    pub tls_url: String,
    /// Where health and metrics are.
    pub health_url: String,
    /// The clock that its lease is counted on.
    pub clock: Arc<Clock>,
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// Waits until a server has a lease: what it is asked before may be answered by Postgres, whatever caches hold.
pub async fn ready(health_url: &str) {
    let started = Instant::now();
    while reqwest::get(format!("{health_url}/readyz")).await.is_ok_and(|answer| answer.status() != 200) {
        assert!(started.elapsed() < Duration::from_secs(20), "it gets no lease");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

struct Started {
    url: String,
    tls_url: String,
    health_url: String,
    clock: Arc<Clock>,
}

impl Server {
    /// Starts, or says why not.
    pub async fn try_start(config: Config) -> Result<Self, String> {
        let (started, starting) = oneshot::channel();
        let (stop, stopping) = oneshot::channel::<()>();
        let thread = std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                match App::build(config).await {
                    Err(error) => drop(started.send(Err(format!("{error:#}")))),
                    Ok(app) => {
                        let health = app.health_address().expect("tests have a health listener");
                        let here = Started {
                            url: format!("http://{}", app.address()),
                            tls_url: app.tls_address().map_or_else(String::new, |address| {
                                format!("https://localhost:{}", address.port())
                            }),
                            health_url: format!("http://{health}"),
                            clock: app.clock(),
                        };
                        app.first_lease().await;
                        drop(started.send(Ok(here)));
                        app.run_until(async { drop(stopping.await) }).await.expect("a clean end");
                    }
                }
            });
        });
        let Started { url, tls_url, health_url, clock } = starting.await.expect("the thread answers")?;
        Ok(Self { url, tls_url, health_url, clock, stop: Some(stop), thread: Some(thread) })
    }

    /// Starts.
    pub async fn start(config: Config) -> Self {
        Self::try_start(config).await.unwrap_or_else(|error| panic!("the server does not start: {error}"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.stop.take());
        if let Some(thread) = self.thread.take()
            && thread.join().is_err()
            && !std::thread::panicking()
        {
            panic!("the server's thread panicked");
        }
    }
}
