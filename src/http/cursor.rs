//! Pages of a list: `?limit=` and `?cursor=`. A cursor is the list and the last key of a page, made
//! opaque so that nobody builds one; one that is not ours, or not of this list, is refused and not
//! guessed at: keys of two lists may look alike, and would hide rows in silence.

use actix_web::HttpRequest;
use actix_web::dev::Payload;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use uuid::Uuid;

use super::ask::Rest;
use super::problem::Problem;
use crate::domain::region_name::RegionName;
use crate::domain::signing_key::Kid;
use crate::domain::tenant::TsgId;
use crate::manage::Page;

const DEFAULT_LIMIT: usize = 50;
const MAX_LIMIT: usize = 200;

/// The key by which a list is ordered.
pub trait Key: Sized + 'static {
    /// As text, inside the cursor.
    fn write(&self) -> String;
    /// Exactly what [`Key::write`] wrote.
    fn read(text: &str) -> Option<Self>;
}

impl Key for Uuid {
    fn write(&self) -> String {
        self.hyphenated().to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|id: &Self| id.write() == text)
    }
}

impl Key for TsgId {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Key for RegionName {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

impl Key for Kid {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        Self::parse(text).ok()
    }
}

/// The number of an API key.
impl Key for i64 {
    fn write(&self) -> String {
        self.to_string()
    }
    fn read(text: &str) -> Option<Self> {
        text.parse().ok().filter(|id: &Self| *id > 0 && id.write() == text)
    }
}

/// The name of a product or permission.
impl Key for String {
    fn write(&self) -> String {
        self.clone()
    }
    fn read(text: &str) -> Option<Self> {
        let name = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '.');
        (!text.is_empty() && text.len() <= 128 && text.chars().all(name)).then(|| text.to_owned())
    }
}

/// The part of a list that a request asks for.
pub struct Paging<K> {
    /// Which part.
    pub page: Page<K>,
    /// Of which list: its path, and so its tenant, too.
    list: String,
}

impl<K: Key> Paging<K> {
    /// The cursor that goes on after this key.
    pub fn cursor_after(&self, key: &K) -> String {
        encode(&self.list, key)
    }
}

/// No path has a NUL.
fn encode<K: Key>(list: &str, key: &K) -> String {
    URL_SAFE_NO_PAD.encode(format!("{list}\0{}", key.write()))
}

fn decode<K: Key>(list: &str, cursor: &str) -> Option<K> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let (of, key) = std::str::from_utf8(&bytes).ok()?.split_once('\0')?;
    if of == list { K::read(key) } else { None }
}

impl<K: Key> Rest for Paging<K> {
    async fn read(request: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        let list = request.path().to_owned();
        Ok(Self { page: page(&list, request.query_string())?, list })
    }
}

fn page<K: Key>(list: &str, query: &str) -> Result<Page<K>, Problem> {
    let limit = match &*values(query, "limit") {
        [] => Some(DEFAULT_LIMIT),
        // One spelling each: no sign, no leading zeros.
        [one] => one.parse().ok().filter(|n: &usize| (1..=MAX_LIMIT).contains(n) && n.to_string() == *one),
        _ => None,
    };
    let after = match &*values(query, "cursor") {
        [] => Some(None),
        [one] => decode(list, one).map(Some),
        _ => None,
    };
    let bad_limit = || {
        Problem::invalid_parameter("invalid_parameter", "limit", "must be a number from 1 to 200, in digits")
    };
    let bad_cursor = || {
        Problem::invalid_parameter(
            "invalid_cursor",
            "cursor",
            "must be the next_cursor of a page of this list",
        )
    };
    Ok(Page { limit: limit.ok_or_else(bad_limit)?, after: after.ok_or_else(bad_cursor)? })
}

fn values(query: &str, name: &str) -> Vec<String> {
    let pairs = form_urlencoded::parse(query.as_bytes());
    pairs.filter(|(given, _)| given == name).map(|(_, value)| value.into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIST: &str = "/v1/things";

    fn page<K: Key>(query: &str) -> Result<Page<K>, Problem> {
        super::page(LIST, query)
    }

    fn cursor(list: &str, key: &str) -> String {
        format!("cursor={}", URL_SAFE_NO_PAD.encode(format!("{list}\0{key}")))
    }

    fn round<K: Key + PartialEq + std::fmt::Debug>(key: K) {
        let page = page::<K>(&format!("cursor={}&limit=7", encode(LIST, &key))).expect("a page");
        assert_eq!(page, Page { after: Some(key), limit: 7 });
    }

    #[test]
    fn a_cursor_leads_on_after_its_key() {
        round(Uuid::from_u128(7));
        round(TsgId::parse("1234567890").expect("a tsg_id"));
        round(42_i64);
        round("iam.read".to_owned());
        assert_eq!(page::<i64>("").expect("a page"), Page { after: None, limit: 50 });
        assert_eq!(page::<i64>("limit=200&other=x").expect("a page").limit, 200);
    }

    #[test]
    fn the_cursor_of_another_list_is_refused() {
        assert!(page::<i64>(&cursor(LIST, "42")).is_ok());
        for other in ["", "/v1/thing", "/v1/things/", "/v1/tenants/1000000001/api-keys"] {
            let problem = page::<i64>(&cursor(other, "42")).expect_err(other).to_string();
            assert!(problem.starts_with("invalid_cursor"), "{other} {problem}");
        }
        let alone = format!("cursor={}", URL_SAFE_NO_PAD.encode("42"));
        assert!(page::<i64>(&alone).is_err());
    }

    #[test]
    fn other_cursors_and_limits_are_refused() {
        let cursor = |key: &str| cursor(LIST, key);
        let code = |problem: Problem| problem.to_string();
        for query in [
            "cursor=",
            "cursor=%00",
            "cursor=x",
            &cursor(""),
            &cursor("1 "),
            &cursor("-1"),
            &cursor("01"),
            &cursor("0"),
            &cursor("iam.read"),
            &cursor("9223372036854775808"),
            &format!("{0}&{0}", cursor("1")),
        ] {
            let problem = code(page::<i64>(query).expect_err(query));
            assert!(problem.starts_with("invalid_cursor"), "{query} {problem}");
        }
        assert!(page::<String>(&cursor("a\0b")).is_err() && page::<Uuid>(&cursor("42")).is_err());
        assert!(page::<Uuid>(&cursor("{00000000-0000-0000-0000-000000000007}")).is_err());
        for query in [
            "limit=",
            "limit=0",
            "limit=201",
            "limit=-1",
            "limit=x",
            "limit=1&limit=2",
            "limit=1%00",
            "limit=%2B5",
            "limit=05",
            "limit=5%20",
            "limit=5.0",
            "limit=%D9%A5",
        ] {
            let problem = code(page::<i64>(query).expect_err(query));
            assert!(problem.starts_with("invalid_parameter"), "{query} {problem}");
        }
    }
}
