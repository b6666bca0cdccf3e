//! Whom an account trusts to say who somebody is: issuers of workload tokens, and what their tokens must say to be let in.
//!
//! Judging is pure, as for the rest of a record. Whether a token is what its issuer's kind should be, `token` says.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::claim_rule::{ClaimRule, Must};
use super::credential_id::CredentialId;
use super::record::ClientKeyPart;

/// The beginning of every SPIFFE ID.
pub const SPIFFE: &str = "spiffe://";
/// How much of the subject a rule must say of an issuer of which nobody knows how it names its workloads.
const SHORTEST_GENERIC: usize = 8;
/// The one issuer of Google's tokens.
const GOOGLE: &str = "https://accounts.google.com";

/// Which kind of token an issuer issues, and so what it must look like.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum IssuerKind {
    /// A cluster's service accounts: projected tokens.
    Kubernetes,
    /// Jobs of workflows.
    GithubActions,
    /// ID tokens of Google's service accounts.
    Google,
    /// AWS's outbound identity federation.
    Aws,
    /// App-only tokens of managed identities and applications.
    Azure,
    /// JWT-SVIDs.
    Spiffe,
    /// Another issuer of tokens for workloads.
    Generic,
}

impl IssuerKind {
    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Kubernetes => "kubernetes",
            Self::GithubActions => "github_actions",
            Self::Google => "google",
            Self::Aws => "aws",
            Self::Azure => "azure",
            Self::Spiffe => "spiffe",
            Self::Generic => "generic",
        }
    }

    /// The longest that a token of this kind may live, seconds.
    #[must_use]
    pub const fn longest_seconds(self) -> i64 {
        match self {
            Self::Google | Self::Aws | Self::Spiffe => 3_600,
            Self::GithubActions => 6 * 3_600,
            Self::Kubernetes | Self::Azure | Self::Generic => 24 * 3_600,
        }
    }

    /// Whether an issuer of this kind may be called so: an `https` URL in one spelling, or a trust domain.
    #[must_use]
    pub fn may_be_called(self, issuer: &str) -> bool {
        let plain = |text: &str| !text.is_empty() && text.chars().all(|c| c.is_ascii_graphic());
        match self {
            Self::Spiffe => issuer.strip_prefix(SPIFFE).is_some_and(is_trust_domain),
            Self::Google => issuer == GOOGLE,
            _ => issuer.strip_prefix("https://").is_some_and(|rest| {
                plain(rest) && !rest.starts_with(['/', ':']) && !rest.contains(['?', '#', '@', '\\', '%'])
            }),
        }
    }

    /// Whether a rule says who: which workload of the issuer's, or of which part of it that belongs to one owner. Without that
    /// it would let in all of the issuer's, whoever they are.
    #[must_use]
    pub fn is_named_by(self, rules: &[ClaimRule]) -> bool {
        rules.iter().filter(|rule| rule.claim == "sub").any(|rule| self.subject_is_named_by(rule))
    }

    fn subject_is_named_by(self, rule: &ClaimRule) -> bool {
        if matches!(rule.must, Must::Equal(_)) {
            return true;
        }
        let after = |start: &str, end: char| {
            let rest = rule.literal().strip_prefix(start);
            rest.and_then(|rest| rest.split_once(end)).filter(|(name, _)| !name.is_empty())
        };
        match self {
            // A namespace.
            Self::Kubernetes => after("system:serviceaccount:", ':').is_some(),
            // An owner of repositories.
            Self::GithubActions => after("repo:", '/').is_some(),
            // A part of the trust domain.
            Self::Spiffe => after(SPIFFE, '/').is_some_and(|(_, path)| !path.is_empty()),
            Self::Google | Self::Aws | Self::Azure => false,
            Self::Generic => rule.literal().len() >= SHORTEST_GENERIC,
        }
    }
}

fn is_trust_domain(text: &str) -> bool {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '.' | '-' | '_');
    (1..=255).contains(&text.len()) && text.chars().all(good)
}

/// The trust domain and the path of a workload's SPIFFE ID (SPIFFE-ID §2), in its one spelling.
#[must_use]
pub fn spiffe_id(subject: &str) -> Option<(&str, &str)> {
    let (domain, path) = subject.strip_prefix(SPIFFE)?.split_once('/')?;
    let good = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    let segment = |name: &str| !name.is_empty() && name != "." && name != ".." && name.chars().all(good);
    (is_trust_domain(domain) && subject.len() <= 2_048 && path.split('/').all(segment))
        .then_some((domain, path))
}

/// Whom an account trusts.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trust {
    /// The issuers that its rules name.
    pub issuers: Vec<TrustedIssuerPart>,
    /// What their tokens must say.
    pub rules: Vec<TrustRulePart>,
}

/// An issuer of workload tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuerPart {
    /// Its id in the management API.
    pub id: Uuid,
    /// What its tokens call it, byte for byte; `spiffe://` and the trust domain for JWT-SVIDs.
    pub issuer: String,
    /// What its tokens look like.
    pub kind: IssuerKind,
    /// The audience that they must name, when it is not Carnet's issuer.
    pub audience: Option<String>,
    /// Its keys, when they are here.
    pub keys: Vec<ClientKeyPart>,
    /// Where they are. Neither here nor there, its discovery document tells.
    pub jwks_uri: Option<String>,
}

/// What a token of one issuer must say.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustRulePart {
    /// What tokens name it by: another one when the issuer vouches by other means, or the rule says something else.
    pub credential_id: CredentialId,
    /// The issuer.
    pub issuer_id: Uuid,
    /// All of these.
    pub claims: Vec<ClaimRule>,
}

impl Trust {
    /// Whether nobody is trusted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// The issuer whose token says this of itself. A JWT-SVID is its trust domain's, whatever else it calls its issuer.
    #[must_use]
    pub fn issuer_of(&self, iss: Option<&str>, sub: &str) -> Option<&TrustedIssuerPart> {
        let domain = spiffe_id(sub).map(|(domain, _)| domain);
        let of_domain = |known: &&TrustedIssuerPart| {
            known.kind == IssuerKind::Spiffe
                && domain.is_some()
                && known.issuer.strip_prefix(SPIFFE) == domain
        };
        let named = |known: &&TrustedIssuerPart| {
            known.kind != IssuerKind::Spiffe && iss == Some(known.issuer.as_str())
        };
        self.issuers.iter().find(of_domain).or_else(|| self.issuers.iter().find(named))
    }

    /// The first rule for this issuer that these claims satisfy.
    #[must_use]
    pub fn rule_for(&self, issuer: Uuid, claims: &Map<String, Value>) -> Option<&TrustRulePart> {
        let mut rules = self.rules.iter().filter(|rule| rule.issuer_id == issuer);
        // A rule that says nothing lets nobody in, wherever it comes from.
        rules.find(|rule| !rule.claims.is_empty() && rule.claims.iter().all(|claim| claim.holds(claims)))
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ALL: [IssuerKind; 7] = [
        IssuerKind::Kubernetes,
        IssuerKind::GithubActions,
        IssuerKind::Google,
        IssuerKind::Aws,
        IssuerKind::Azure,
        IssuerKind::Spiffe,
        IssuerKind::Generic,
    ];

    fn names(kind: IssuerKind, rule: Value) -> bool {
        kind.is_named_by(&[serde_json::from_value(rule).expect("a rule")])
    }

    #[test]
    fn a_rule_says_who() {
        use IssuerKind as K;
        for kind in ALL {
            assert!(names(kind, json!({ "claim": "sub", "equals": "somebody" })));
            assert!(!kind.is_named_by(&[]));
            assert!(!names(kind, json!({ "claim": "repository", "equals": "acme/app" })), "another claim");
            assert!(!names(kind, json!({ "claim": "/sub", "equals": "acme/app" })), "in one spelling");
            assert!(!names(kind, json!({ "claim": "sub", "glob": "*a" })));
        }
        let table = [
            (K::Kubernetes, "system:serviceaccount:prod:*", true),
            (K::Kubernetes, "system:serviceaccount:*:app", false),
            (K::Kubernetes, "system:serviceaccount:pr*:app", false),
            (K::Kubernetes, "system:serviceaccount::*", false),
            (K::GithubActions, "repo:acme/*:ref:refs/heads/main", true),
            (K::GithubActions, "repo:*/app:ref:refs/heads/main", false),
            (K::GithubActions, "repo:ac*/app:ref:refs/heads/main", false),
            (K::GithubActions, "repo:/*", false),
            (K::GithubActions, "repository_owner:acme:*", false),
            (K::Spiffe, "spiffe://acme.example/ns/prod/*", true),
            (K::Spiffe, "spiffe://acme.example/*", false),
            (K::Spiffe, "spiffe://*/ns", false),
            (K::Google, "1137742644630383219*", false),
            (K::Aws, "arn:aws:iam::123456789012:role/*", false),
            (K::Azure, "8d5f0d4c-*", false),
            (K::Generic, "project_path:acme/*:ref", true),
            (K::Generic, "project*", false),
        ];
        for (kind, glob, expected) in table {
            assert_eq!(names(kind, json!({ "claim": "sub", "glob": glob })), expected, "{kind:?} {glob}");
        }
        assert!(names(K::GithubActions, json!({ "claim": "sub", "prefix": "repo:acme/app:" })));
        assert!(!names(K::GithubActions, json!({ "claim": "sub", "prefix": "repo:" })));
        assert!(!names(K::Spiffe, json!({ "claim": "sub", "prefix": "spiffe://acme.example/" })));
    }

    #[test]
    fn an_issuer_has_one_spelling() {
        for good in
            ["https://a.example", "https://a.example/", "https://a.example:8443/x/y", "https://[::1]/x"]
        {
            assert!(IssuerKind::Generic.may_be_called(good), "{good}");
        }
        for bad in [
            "",
            "https://",
            "http://a.example",
            "HTTPS://a.example",
            "https:///x",
            "https://a.example/?b",
            "https://a.example#c",
            "https://u@a.example",
            "https://a.example/ x",
            "https://ä.example",
            "spiffe://a.example",
            "kubernetes/serviceaccount",
        ] {
            assert!(!IssuerKind::Generic.may_be_called(bad), "{bad}");
        }
        for (issuer, good) in [
            ("spiffe://acme.example", true),
            ("spiffe://acme.example/", false),
            ("spiffe://Acme.example", false),
            ("spiffe://", false),
            ("https://acme.example", false),
        ] {
            assert_eq!(IssuerKind::Spiffe.may_be_called(issuer), good, "{issuer}");
        }
        assert!(IssuerKind::Google.may_be_called(GOOGLE));
        assert!(!IssuerKind::Google.may_be_called("https://accounts.google.com/"));
    }

    #[test]
    fn a_token_is_of_one_issuer_whatever_order_they_are_in() {
        let issuer = |kind, issuer: &str| TrustedIssuerPart {
            id: Uuid::nil(),
            issuer: issuer.into(),
            kind,
            audience: None,
            keys: vec![],
            jwks_uri: None,
        };
        let svid = issuer(IssuerKind::Spiffe, "spiffe://acme.example");
        let named = issuer(IssuerKind::Generic, "https://oidc.acme.example");
        for issuers in [vec![svid.clone(), named.clone()], vec![named.clone(), svid.clone()]] {
            let trust = Trust { issuers, rules: vec![] };
            let of = |iss, sub| trust.issuer_of(iss, sub);
            let iss = Some("https://oidc.acme.example");
            assert_eq!(of(iss, "spiffe://acme.example/a"), Some(&svid));
            assert_eq!(of(None, "spiffe://acme.example/a"), Some(&svid));
            assert_eq!(of(iss, "spiffe://other.example/a"), Some(&named));
            assert_eq!(of(iss, "app"), Some(&named));
            assert_eq!(of(None, "spiffe://other.example/a"), None);
            assert_eq!(of(Some("spiffe://acme.example"), "app"), None);
        }
    }

    #[test]
    fn spiffe_id_section_2_a_workload_has_one_spelling() {
        assert_eq!(spiffe_id("spiffe://acme.example/ns/prod"), Some(("acme.example", "ns/prod")));
        for bad in [
            "spiffe://acme.example",
            "spiffe://acme.example/",
            "spiffe://acme.example//a",
            "spiffe://acme.example/a/",
            "spiffe://acme.example/./a",
            "spiffe://acme.example/a/../b",
            "spiffe://acme.example/a%2fb",
            "spiffe://acme.example:1/a",
            "spiffe://u@acme.example/a",
            "spiffe://ACME.example/a",
            "https://acme.example/a",
            "spiffe:///a",
            "spiffe://acme.example/a?b",
        ] {
            assert_eq!(spiffe_id(bad), None, "{bad}");
        }
    }
}
