//! What somebody else's token must say: a claim, and the text that it is, begins with, or looks like.
//!
//! There are no regular expressions: a rule can be read by whoever signs for it, costs no more than its length, and a `*` never
//! reaches over a `/` or a `:`, between which issuers put what others may choose. What a text begins with ends where a name
//! ends, so that `acme/app` does not let `acme/app-of-somebody-else` in.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// The most characters of a claim's name, and of what it is compared with.
pub const LONGEST_CLAIM_NAME: usize = 128;
/// The most characters that a claim is compared with.
pub const LONGEST_CLAIM_VALUE: usize = 512;
/// The most `*` of a glob.
const MOST_STARS: usize = 8;
/// What a `*` never stands for.
const SEPARATORS: [char; 2] = ['/', ':'];
/// Where a name ends.
const ENDS: [char; 4] = ['/', ':', '@', '|'];

/// One thing that a token must say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(into = "Members", try_from = "Members")]
pub struct ClaimRule {
    /// The name of a claim or, beginning with `/`, a path of names to a member inside one (RFC 6901).
    pub claim: String,
    /// What it must be.
    pub must: Must,
}

/// What a claim must be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Must {
    /// This very text.
    Equal(String),
    /// A text that begins like this.
    Begin(String),
    /// A text like this, in which each `*` is any text without `/` and `:`.
    Look(String),
}

/// As it is written.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Members {
    claim: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    equals: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    prefix: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    glob: Option<String>,
}

/// Why it is no rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoClaimRule {
    /// A name that nobody could see.
    #[error("claim must have 1 to 128 characters, none of them a control character")]
    Name,
    /// Two, or none.
    #[error("give one of equals, prefix and glob")]
    OneOf,
    /// Nothing, or too much.
    #[error("equals, prefix and glob must have 1 to 512 characters, none of them a control character")]
    Value,
    /// It would let in whoever has a longer name.
    #[error("prefix must end where a name ends, with one of / : @ |")]
    OpenEnd,
    /// It says nothing, or too little.
    #[error("glob must have at most 8 *, no two beside each other, and something else")]
    Stars,
}

impl TryFrom<Members> for ClaimRule {
    type Error = NoClaimRule;

    fn try_from(members: Members) -> Result<Self, NoClaimRule> {
        let Members { claim, equals, prefix, glob } = members;
        if !is_text(&claim, LONGEST_CLAIM_NAME) {
            return Err(NoClaimRule::Name);
        }
        let must = match (equals, prefix, glob) {
            (Some(text), None, None) => Must::Equal(text),
            (None, Some(text), None) => Must::Begin(text),
            (None, None, Some(text)) => Must::Look(text),
            _ => return Err(NoClaimRule::OneOf),
        };
        let (Must::Equal(text) | Must::Begin(text) | Must::Look(text)) = &must;
        if !is_text(text, LONGEST_CLAIM_VALUE) {
            return Err(NoClaimRule::Value);
        }
        match &must {
            Must::Begin(text) if !text.ends_with(ENDS) => Err(NoClaimRule::OpenEnd),
            Must::Look(text) if !is_glob(text) => Err(NoClaimRule::Stars),
            _ => Ok(Self { claim, must }),
        }
    }
}

impl From<ClaimRule> for Members {
    fn from(ClaimRule { claim, must }: ClaimRule) -> Self {
        let members = Self { claim, equals: None, prefix: None, glob: None };
        match must {
            Must::Equal(text) => Self { equals: Some(text), ..members },
            Must::Begin(text) => Self { prefix: Some(text), ..members },
            Must::Look(text) => Self { glob: Some(text), ..members },
        }
    }
}

fn is_text(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

fn is_glob(text: &str) -> bool {
    text.matches('*').count() <= MOST_STARS && !text.contains("**") && text != "*"
}

impl ClaimRule {
    /// Whether these claims say so. Only texts, whole numbers and booleans are compared, as they are written; a list never
    /// is, whatever is in it.
    #[must_use]
    pub fn holds(&self, claims: &Map<String, Value>) -> bool {
        let said = match self.said(claims) {
            Some(Value::String(text)) => text.clone(),
            Some(Value::Bool(value)) => value.to_string(),
            Some(Value::Number(number)) if !number.is_f64() => number.to_string(),
            _ => return false,
        };
        match &self.must {
            Must::Equal(text) => said == *text,
            Must::Begin(text) => said.starts_with(text.as_str()),
            Must::Look(glob) => looks_like(&said, glob),
        }
    }

    fn said<'c>(&self, claims: &'c Map<String, Value>) -> Option<&'c Value> {
        let Some(path) = self.claim.strip_prefix('/') else { return claims.get(&self.claim) };
        // RFC 6901 §4.
        let mut names = path.split('/').map(|name| name.replace("~1", "/").replace("~0", "~"));
        let first = claims.get(&names.next()?)?;
        names.try_fold(first, |inside, name| inside.as_object()?.get(&name))
    }

    /// The text that whatever it lets in begins with, or is.
    #[must_use]
    pub fn literal(&self) -> &str {
        match &self.must {
            Must::Equal(text) | Must::Begin(text) => text,
            Must::Look(glob) => glob.split('*').next().unwrap_or_default(),
        }
    }
}

/// As no `*` stands for a separator, both have the same ones, and what is between them is compared piece by piece.
fn looks_like(text: &str, glob: &str) -> bool {
    let separators = |of: &str| of.matches(SEPARATORS).collect::<String>();
    let mut pieces = text.split(SEPARATORS).zip(glob.split(SEPARATORS));
    separators(text) == separators(glob) && pieces.all(|(text, glob)| piece_looks_like(text, glob))
}

/// What is between two stars is looked for behind what was found before, and the last of it at the end.
fn piece_looks_like(text: &str, glob: &str) -> bool {
    let Some((first, rest)) = glob.split_once('*') else { return text == glob };
    let Some(mut text) = text.strip_prefix(first) else { return false };
    let (between, last) = rest.rsplit_once('*').unwrap_or(("", rest));
    for part in between.split('*') {
        match text.find(part) {
            Some(at) => text = &text[at + part.len()..],
            None => return false,
        }
    }
    text.ends_with(last)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(rule: Value) -> Result<ClaimRule, String> {
        serde_json::from_value(rule).map_err(|error| error.to_string())
    }

    fn holds(rule: Value, claims: &Value) -> bool {
        read(rule).expect("a rule").holds(claims.as_object().expect("claims"))
    }

    #[test]
    fn a_star_stays_within_its_piece() {
        let glob =
            |glob: &str, text: &str| holds(json!({ "claim": "c", "glob": glob }), &json!({ "c": text }));
        for (pattern, text) in [
            ("repo:acme/*:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main"),
            ("repo:acme/app-*:environment:prod", "repo:acme/app-a:environment:prod"),
            ("a*b*c", "abc"),
            ("a*b*c", "axxbyybzzc"),
            ("a*", "a"),
            ("*b", "bb"),
            ("*a*a*", "aa"),
            ("no star", "no star"),
            ("a*bab", "abab"),
        ] {
            assert!(glob(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("repo:acme/*:ref:refs/heads/main", "repo:acme/app:environment:x:ref:refs/heads/main"),
            ("repo:acme/*:ref:refs/heads/main", "repo:acme/app:ref:refs/heads/main/x"),
            ("repo:acme/*:ref:refs/heads/main", "repo:evil/app:ref:refs/heads/main"),
            ("repo:acme/*", "repo:acme/app:ref:refs/heads/main"),
            ("repo:acme/*", "repo:acme/app/repo:acme/app"),
            ("spiffe://td/*/db", "spiffe://td/a/b/db"),
            ("a*b", "ab\n"),
            ("a*a", "a"),
            ("a*bab", "ab"),
            ("A*", "ab"),
            ("*:*", "a/b"),
        ] {
            assert!(!glob(pattern, text), "{pattern} {text}");
        }
    }

    /// A hundred thousand steps at most, for whoever chooses both.
    #[test]
    fn no_glob_takes_long() {
        let glob = format!("{}b", "a*".repeat(MOST_STARS));
        let (text, started) = ("a".repeat(8_192), std::time::Instant::now());
        assert!(!looks_like(&text, &glob));
        assert!(started.elapsed() < std::time::Duration::from_secs(1));
    }

    #[test]
    fn what_a_claim_is_decides_whether_it_is_compared() {
        let claims = json!({
            "t": "true", "b": true, "n": 7, "f": 7.5, "l": ["x"], "z": null,
            "kubernetes.io": { "serviceaccount": { "name": "x" } }, "https://sts.amazonaws.com/": { "a": "x" },
        });
        let equals = |claim: &str, text: &str| holds(json!({ "claim": claim, "equals": text }), &claims);
        for (claim, text) in [
            ("t", "true"),
            ("b", "true"),
            ("n", "7"),
            ("/kubernetes.io/serviceaccount/name", "x"),
            ("/https:~1~1sts.amazonaws.com~1/a", "x"),
            ("/t", "true"),
        ] {
            assert!(equals(claim, text), "{claim}");
        }
        for (claim, text) in
            [("f", "7.5"), ("l", "x"), ("/l/0", "x"), ("z", "null"), ("absent", ""), ("/t/true", "true")]
        {
            let text = if text.is_empty() { "x" } else { text };
            assert!(!equals(claim, text), "{claim}");
        }
    }

    #[test]
    fn a_rule_says_one_thing_and_says_something() {
        for (rule, why) in [
            (json!({ "claim": "sub" }), NoClaimRule::OneOf),
            (json!({ "claim": "sub", "equals": "a", "glob": "a" }), NoClaimRule::OneOf),
            (json!({ "claim": "", "equals": "a" }), NoClaimRule::Name),
            (json!({ "claim": "a\u{0}", "equals": "a" }), NoClaimRule::Name),
            (json!({ "claim": "sub", "equals": "" }), NoClaimRule::Value),
            (json!({ "claim": "sub", "equals": "x".repeat(513) }), NoClaimRule::Value),
            (json!({ "claim": "sub", "prefix": "repo:acme/app" }), NoClaimRule::OpenEnd),
            (json!({ "claim": "sub", "glob": "*" }), NoClaimRule::Stars),
            (json!({ "claim": "sub", "glob": "a**" }), NoClaimRule::Stars),
            (json!({ "claim": "sub", "glob": "a*".repeat(9) }), NoClaimRule::Stars),
        ] {
            assert_eq!(read(rule.clone()), Err(why.to_string()), "{rule}");
        }
        assert!(read(json!({ "claim": "sub", "regex": ".*" })).is_err());
        let rule = json!({ "claim": "sub", "prefix": "repo:acme/" });
        assert_eq!(serde_json::to_value(read(rule.clone()).expect("a rule")).expect("JSON"), rule);
    }
}
