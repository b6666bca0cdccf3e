//! An access key as the file that people keep: its number and its secret (RFC 4180), for who asks for `text/csv`.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::ACCEPT;

use crate::domain::secret::Secret;
use crate::http::ask::Rest;
use crate::http::problem::Problem;
use crate::manage::api_keys::create::CreatedApiKey;

/// What the answer is to be written as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// JSON.
    Json,
    /// A file, where the key is one that people keep in a file.
    Csv,
}

impl Rest for Wanted {
    async fn read(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut types = accept.split(',').filter_map(|part| part.split(';').next());
        let csv = types.any(|media_type| media_type.trim().eq_ignore_ascii_case("text/csv"));
        Ok(if csv { Self::Csv } else { Self::Json })
    }
}

/// Two lines. Neither part of a key has a comma or a quote in it. A replay has no secret to show.
pub fn of(made: &CreatedApiKey) -> String {
    let secret = made.secret.as_ref().map_or("", Secret::expose);
    format!("Access Key ID,Secret Key\r\n{},{secret}\r\n", made.key.api_key_id)
}
