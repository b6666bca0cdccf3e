//! The wire. The only room that says `StatusCode`, and the only one that knows JSON's names.
//!
//! A management request is judged in one order, by `ask`: who (the bearer token), where (the
//! path), what (headers and body). Then one use case of [`crate::manage`] runs, and its answer or
//! its error becomes a response: all errors through [`problem`], so that no two look different. The
//! token endpoint ([`oauth`]) has errors of its own, by its own standard.

use actix_web::http::Method;
use actix_web::web::{self, ServiceConfig};

pub mod bearer;
pub mod client_address;
pub mod health;
pub mod oauth;
pub mod problem;
pub mod routes;
pub mod server;
pub mod streams;
pub mod v1;

mod ask;
mod body;
pub mod client_certificate;
mod cursor;
mod dpop;
mod etag;
mod own_key;
mod pacing;
mod prefer;
mod ratelimit;
mod trace;

use routes::Routes;

/// Registers everything that is served, and says what that is: `openapi.yaml` is held to it.
pub fn configure(config: &mut ServiceConfig) -> Vec<(Method, String)> {
    let mut tokens = Routes::new(config, oauth::error::refuse_method);
    oauth::register(&mut tokens);
    let mut served = tokens.served();
    let mut management = Routes::new(config, problem::refuse_method);
    v1::register(&mut management);
    served.extend(management.served());
    config.default_service(web::to(problem::unknown_path));
    served
}
