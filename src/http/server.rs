//! The listeners: plain, encrypted, and the second one for health.

use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use metrics_exporter_prometheus::PrometheusHandle;
use rustls::ServerConfig;
use tracing_actix_web::TracingLogger;

use super::client_address::TrustedProxies;
use super::client_certificate::CertificateProxies;
use super::health::Here;
use super::streams::Streams;
use super::trace::RequestSpan;
use super::{client_certificate, configure, health};
use crate::directory::Knowledge;
use crate::issue::TokenIssuer;
use crate::limits::Limits;
use crate::manage::Manage;
use crate::verify::Verifier;

/// The longest that a request's head may take to come.
const SLOWEST_HEAD: Duration = Duration::from_secs(5);
/// How long a connection may be idle.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// The most connections of one worker.
const CONNECTIONS: usize = 10_000;

/// What one worker answers with.
pub struct Worker {
    /// How much may be asked and tried.
    pub limits: Arc<Limits>,
    /// The token endpoint.
    pub issuer: TokenIssuer,
    /// Bearer tokens.
    pub verifier: Verifier,
    /// The management API.
    pub manage: Arc<Manage>,
    /// Answers that do not end by themselves.
    pub streams: Arc<Streams>,
    /// Whose word is taken for where a client is.
    pub proxies: TrustedProxies,
    /// And for which certificate it has shown.
    pub certificate_proxies: CertificateProxies,
}

/// Where to listen.
pub struct Listeners {
    /// Plain HTTP.
    pub plain: TcpListener,
    /// HTTPS, with its certificate.
    pub tls: Option<(TcpListener, ServerConfig)>,
}

/// Serves the API; `worker` is called once on each worker's own thread.
///
/// # Errors
/// When a listener cannot be used.
pub fn serve(
    listeners: Listeners,
    workers: usize,
    shutdown: Duration,
    worker: impl Fn() -> Worker + Send + Clone + 'static,
) -> std::io::Result<Server> {
    let app = move || {
        let Worker { limits, issuer, verifier, manage, streams, proxies, certificate_proxies } = worker();
        App::new()
            .wrap(TracingLogger::<RequestSpan>::new())
            .app_data(web::Data::from(limits))
            .app_data(web::Data::new(issuer))
            .app_data(web::Data::new(verifier))
            .app_data(web::Data::from(manage))
            .app_data(web::Data::from(streams))
            .app_data(web::Data::new(proxies))
            .app_data(web::Data::new(certificate_proxies))
            .configure(|config| {
                configure(config);
            })
    };
    let mut server = HttpServer::new(app)
        .workers(workers)
        .on_connect(client_certificate::note)
        .max_connections(CONNECTIONS)
        .client_request_timeout(SLOWEST_HEAD)
        .keep_alive(KEEP_ALIVE)
        .shutdown_timeout(shutdown.as_secs())
        .disable_signals()
        .listen(listeners.plain)?;
    if let Some((listener, config)) = listeners.tls {
        server = server.listen_rustls_0_23(listener, config)?;
    }
    Ok(server.run())
}

/// Serves health and metrics on a thread of their own.
///
/// # Errors
/// When the listener cannot be used.
pub fn serve_health(
    listener: TcpListener,
    knowledge: Arc<Knowledge>,
    region: String,
    metrics: PrometheusHandle,
) -> std::io::Result<Server> {
    let app = move || {
        App::new()
            .app_data(web::Data::from(Arc::clone(&knowledge)))
            .app_data(web::Data::new(Here { region: region.clone() }))
            .app_data(web::Data::new(metrics.clone()))
            .configure(health::configure)
    };
    Ok(HttpServer::new(app).workers(1).disable_signals().listen(listener)?.run())
}
