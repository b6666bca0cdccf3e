//! Where requests come from, and what becomes of who fails too often under `/v1`: the same as at the token endpoint. A failure
//! with a token counts for the address that it comes from and for nobody else; whoever comes from there then waits.

use actix_web::{HttpRequest, web};

use super::client_address::TrustedProxies;
use super::problem::Problem;
use crate::domain::origin::Origin;
use crate::limits::Limits;

/// Where this request comes from, as far as anybody knows.
pub(super) fn origin(request: &HttpRequest) -> Origin {
    let proxies = request.app_data::<web::Data<TrustedProxies>>();
    proxies.map(|proxies| proxies.origin(request)).unwrap_or_default()
}

/// Lets this request try to authenticate, and counts it if it fails.
pub(super) async fn attempt<T>(
    request: &HttpRequest,
    limits: &Limits,
    tried: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let from = origin(request);
    limits.may_try(None, from).map_err(Problem::too_many_failures)?;
    tried.await.inspect_err(|problem| {
        if problem.is_failure_to_authenticate() {
            limits.failed(None, from);
        }
    })
}
