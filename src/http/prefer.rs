//! `Prefer: respond-async` (RFC 7240 §4.1): whether the proof is waited for, or looked at later.

use actix_web::HttpRequest;
use actix_web::dev::Payload;

use super::ask::Rest;
use super::etag::IfMatch;
use super::problem::Problem;
use crate::manage::Patience;

/// What comes with a change that may take something away: which revision it is for, and whether the proof is waited for.
pub type Taking = (IfMatch, Patience);

impl Rest for Patience {
    /// Preferences that we do not know are ignored, as they must be (§2).
    async fn read(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let values = request.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
        let asked = values
            .flat_map(|value| value.split(','))
            .filter_map(|preference| preference.split(['=', ';']).next())
            .any(|name| name.trim().eq_ignore_ascii_case("respond-async"));
        Ok(if asked { Self::RespondAsync } else { Self::Waits })
    }
}
