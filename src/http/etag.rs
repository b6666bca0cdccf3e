//! Which version of a thing an answer shows, and which one a change is meant for
//! (RFC 9110 §8.8.3, §13.1.1).

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use actix_web::http::header::IF_MATCH;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest;

use super::ask::Rest;
use super::body::Json;
use super::problem::Problem;
use crate::manage::{Expected, Patience};

/// The tag of a thing whose revisions are counted.
pub fn of_revision(revision: i32) -> String {
    format!("\"{revision}\"")
}

/// The tag of a thing that nobody changes through this API: a hash of what is shown of it.
pub fn of_content(body: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, body);
    format!("\"{}\"", URL_SAFE_NO_PAD.encode(&hash.as_ref()[..12]))
}

/// Which revisions the caller has seen: `If-Match`, without which nothing is changed.
pub struct IfMatch(pub Expected);

/// The rest of a request that changes a thing: which revision its caller has seen, whether it waits until everybody
/// has heard, and what to change.
pub type Changing<T> = ((IfMatch, Patience), Json<T>);

impl Rest for IfMatch {
    async fn read(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let values: Vec<&str> =
            request.headers().get_all(IF_MATCH).map(|value| value.to_str().unwrap_or_default()).collect();
        if values.is_empty() { Err(Problem::precondition_required()) } else { Ok(Self(expected(&values))) }
    }
}

/// A tag that is weak or not ours matches nothing.
fn expected(values: &[&str]) -> Expected {
    let tags = || values.iter().flat_map(|value| value.split(',')).map(str::trim);
    if tags().eq(["*"]) {
        return Expected::Any;
    }
    let revision = |tag: &str| tag.strip_prefix('"')?.strip_suffix('"')?.parse().ok();
    Expected::OneOf(tags().filter_map(|tag| revision(tag).filter(|n| of_revision(*n) == tag)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_strong_tags_of_ours_match() {
        assert_eq!(expected(&["*"]), Expected::Any);
        assert_eq!(expected(&[&of_revision(3)]), Expected::OneOf(vec![3]));
        assert_eq!(expected(&["\"1\", \"2\"", "\"3\""]), Expected::OneOf(vec![1, 2, 3]));
        for other in ["", "3", "W/\"3\"", "\"03\"", "\"+3\"", "\"x\"", "\"3", "*, *"] {
            assert_eq!(expected(&[other]), Expected::OneOf(vec![]), "{other}");
        }
    }

    #[test]
    fn a_content_tag_is_a_valid_tag_and_follows_the_content() {
        let tag = of_content(b"{}");
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() == 18, "{tag}");
        assert_ne!(tag, of_content(b"{ }"));
    }
}
