//! The second listener: is it alive, may it be sent requests, and what has it counted?

use actix_web::http::header::{CACHE_CONTROL, ContentType};
use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use metrics_exporter_prometheus::PrometheusHandle;

use super::routes::reading;
use crate::clock::BootInstant;
use crate::directory::Knowledge;

/// Which of several servers in one process this one is.
pub struct Here {
    /// The region that it serves.
    pub region: String,
}

/// `/livez`, `/readyz` and `/metrics`. Not for the public: bind it to an inner address.
pub fn configure(config: &mut ServiceConfig) {
    config
        .route("/livez", reading().to(get_livez))
        .route("/readyz", reading().to(get_readyz))
        .route("/metrics", reading().to(get_metrics));
}

/// The process answers. It is never restarted for an outage of Postgres or Redis.
async fn get_livez() -> HttpResponse {
    words(HttpResponse::Ok(), "alive\n")
}

/// It holds a lease, so it hears of changes; without one it answers nothing. And no operator is taking its region away.
async fn get_readyz(knowledge: web::Data<Knowledge>) -> HttpResponse {
    match knowledge.may_serve() {
        Some(_) if knowledge.is_draining() => {
            words(HttpResponse::ServiceUnavailable(), "the region is draining\n")
        }
        Some(_) => words(HttpResponse::Ok(), "ready\n"),
        None => words(HttpResponse::ServiceUnavailable(), "no lease: Postgres is not heard\n"),
    }
}

/// For probes and for people with a browser.
fn words(mut answer: HttpResponseBuilder, words: &'static str) -> HttpResponse {
    answer.content_type(ContentType::plaintext()).insert_header((CACHE_CONTROL, "no-store")).body(words)
}

/// Prometheus's text format.
async fn get_metrics(
    metrics: web::Data<PrometheusHandle>,
    knowledge: web::Data<Knowledge>,
    here: web::Data<Here>,
) -> HttpResponse {
    let now = knowledge.clock.boot();
    let left = knowledge.may_serve().map_or(0.0, |(until, _)| until.since(now).as_secs_f64());
    let asked = BootInstant::from_millis(knowledge.lease.asked_ms());
    let gauge = |name: &'static str| metrics::gauge!(name, "region" => here.region.clone());
    gauge("carnet_lease_seconds").set(left);
    gauge("carnet_lease_age_seconds").set(now.since(asked).as_secs_f64());
    gauge("carnet_draining").set(f64::from(u8::from(knowledge.is_draining())));
    gauge("carnet_memory_records").set(knowledge.records());
    HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(metrics.render())
}
