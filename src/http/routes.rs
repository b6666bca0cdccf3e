//! What is served, as data: a path is registered with its methods, and every other method of it
//! is refused with `Allow` (RFC 9110 §15.5.6). A test compares the list with the contract.

use actix_web::guard;
use actix_web::http::Method;
use actix_web::middleware::from_fn;
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, FromRequest, Handler, HttpResponse, Responder, Route};

use super::problem;

/// One method of a path, and who answers it.
pub type Served = (Method, Route);

/// `GET` and `HEAD`, answered by this handler. The server leaves the body of an answer to `HEAD`
/// away and keeps its length (RFC 9110 §9.3.2).
pub fn get<F, Args>(handler: F) -> Served
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::GET, reading().to(handler))
}

/// A route for both methods that every server has (RFC 9110 §9.1).
pub(super) fn reading() -> Route {
    web::route().guard(guard::Any(guard::Get()).or(guard::Head()))
}

/// `POST`, answered by this handler.
pub fn post<F, Args>(handler: F) -> Served
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::POST, web::post().to(handler))
}

/// `PUT`, answered by this handler.
pub fn put<F, Args>(handler: F) -> Served
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::PUT, web::put().to(handler))
}

/// `PATCH`, answered by this handler.
pub fn patch<F, Args>(handler: F) -> Served
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::PATCH, web::patch().to(handler))
}

/// `DELETE`, answered by this handler.
pub fn delete<F, Args>(handler: F) -> Served
where
    F: Handler<Args>,
    Args: FromRequest + 'static,
    F::Output: Responder + 'static,
{
    (Method::DELETE, web::delete().to(handler))
}

/// Registers paths, and remembers them.
pub struct Routes<'a> {
    config: &'a mut ServiceConfig,
    refuse: fn(allow: &str) -> Error,
    served: Vec<(Method, String)>,
}

impl<'a> Routes<'a> {
    /// An empty list, over a server's configuration. `refuse` makes the answer to a method that a
    /// path does not have, given those that it has: errors look different at the token endpoint.
    pub fn new(config: &'a mut ServiceConfig, refuse: fn(allow: &str) -> Error) -> Self {
        Self { config, refuse, served: Vec::new() }
    }

    /// Serves these methods of a path, whose parameters are spelt as in the contract.
    pub fn at<const N: usize>(&mut self, path: &str, methods: [Served; N]) {
        let allow = methods.each_ref().map(|(method, _)| allowed(method)).join(", ");
        let mut resource = web::resource(path);
        for (method, route) in methods {
            resource = resource.route(route);
            self.served.push((method, path.to_owned()));
        }
        let refuse = self.refuse;
        let refused = web::to(move || {
            let refusal = refuse(&allow);
            async move { Err::<HttpResponse, Error>(refusal) }
        });
        self.config.service(resource.default_service(refused).wrap(from_fn(problem::name_occurrence)));
    }

    /// What has been registered; `HEAD` goes without saying where there is `GET`.
    #[must_use]
    pub fn served(self) -> Vec<(Method, String)> {
        self.served
    }
}

fn allowed(method: &Method) -> &str {
    if method == Method::GET { "GET, HEAD" } else { method.as_str() }
}
