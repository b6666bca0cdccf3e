//! The body of a request to an OAuth endpoint: small, whole, and soon.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use actix_web::web::{Bytes, Payload};

use super::error::{plain, refuse};
use crate::issue::TokenError;

/// The most bytes of a body.
const LARGEST_BODY: usize = 16 * 1024;
/// The longest that a body may take to come.
const SLOWEST_BODY: Duration = Duration::from_secs(10);

/// The whole body, or the answer to one that is too large or does not come.
pub(super) async fn read(body: Payload) -> Result<Bytes, HttpResponse> {
    match tokio::time::timeout(SLOWEST_BODY, body.to_bytes_limited(LARGEST_BODY)).await {
        Ok(Ok(Ok(body))) => Ok(body),
        Ok(Err(_)) => {
            Err(plain(StatusCode::PAYLOAD_TOO_LARGE, "invalid_request", "The body is larger than 16 KiB"))
        }
        Ok(Ok(Err(_))) | Err(_) => {
            Err(refuse(&TokenError::InvalidRequest("The body did not come whole"), false))
        }
    }
}
