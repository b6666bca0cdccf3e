//! A client's JWK set (RFC 7517), reduced to what verifies its assertions.
//!
//! What somebody hands in is refused when anything in it could be meant otherwise than it would be understood; of what is
//! fetched from an address, which may hold keys for other purposes too, the keys that are of no use are passed over.

use std::collections::HashSet;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::domain::assertion::AssertionAlgorithm;
use crate::domain::credential_id::CredentialId;
use crate::domain::public_key::{NoPublicKey, PublicKey, PublicMembers};
use crate::domain::record::ClientKeyPart;

/// The most keys of one client.
pub const MOST_CLIENT_KEYS: usize = 10;
/// The most keys of a set that is fetched; those that come first are taken.
pub const MOST_PUBLISHED_KEYS: usize = 32;
/// The most characters of a `kid`.
const LONGEST_KID: usize = 255;

/// A JWK as it comes. Members that nobody here knows are ignored, as they must be (RFC 7517 §4).
#[derive(Deserialize)]
pub struct ClientJwk {
    kty: String,
    #[serde(rename = "use")]
    public_key_use: Option<String>,
    key_ops: Option<Vec<String>>,
    alg: Option<String>,
    kid: Option<String>,
    n: Option<String>,
    e: Option<String>,
    crv: Option<String>,
    x: Option<String>,
    y: Option<String>,
    d: Option<IgnoredAny>,
    p: Option<IgnoredAny>,
    q: Option<IgnoredAny>,
    dp: Option<IgnoredAny>,
    dq: Option<IgnoredAny>,
    qi: Option<IgnoredAny>,
    oth: Option<IgnoredAny>,
    k: Option<IgnoredAny>,
}

/// Without what may be private in it.
impl std::fmt::Debug for ClientJwk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ClientJwk").field("kty", &self.kty).field("kid", &self.kid).finish_non_exhaustive()
    }
}

/// What is shown of a key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownKey {
    credential_id: CredentialId,
    #[serde(skip_serializing_if = "Option::is_none")]
    kid: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    alg: Option<AssertionAlgorithm>,
    r#use: &'static str,
    #[serde(flatten)]
    key: PublicMembers,
}

impl From<ClientKeyPart> for ShownKey {
    fn from(ClientKeyPart { credential_id, kid, alg, key }: ClientKeyPart) -> Self {
        Self { credential_id, kid, alg, r#use: "sig", key: key.members() }
    }
}

/// Why a JWK is no client's key.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NoClientKey {
    /// Its owner has given away what only the owner may have (RFC 7518 §6.2.2, §6.3.2, §6.4).
    #[error(
        "it has the private member {0}: send public members only, and make another key, for this one has been sent"
    )]
    Private(&'static str),
    /// Neither RSA nor EC nor OKP.
    #[error("kty must be RSA, EC or OKP")]
    Type,
    /// A member of the type is missing.
    #[error("{0} is missing")]
    Missing(&'static str),
    /// The members make no key.
    #[error(transparent)]
    Members(#[from] NoPublicKey),
    /// The point is not on the curve.
    #[error("it is not a point of its curve")]
    Point,
    /// RFC 7517 §4.2.
    #[error("use must be sig, or left out")]
    Use,
    /// RFC 7517 §4.3.
    #[error("key_ops must be [\"verify\"], or left out")]
    Operations,
    /// RFC 7517 §4.4.
    #[error(
        "alg must be RS256, RS384, RS512, PS256, PS384 or PS512 for RSA, ES256 for P-256, ES384 for P-384, EdDSA or Ed25519 for OKP, or left out"
    )]
    Algorithm,
    /// RFC 7517 §4.5.
    #[error("kid must have 1 to 255 characters, none of them a control character")]
    KeyId,
    /// RFC 7517 §4.5: different keys of a set have different names.
    #[error("another key of the set has the same kid")]
    KeyIdTwice,
    /// It would be the same key twice.
    #[error("the same key comes twice")]
    KeyTwice,
}

impl ClientJwk {
    /// The key, if it can be nothing but a public key that verifies signatures.
    pub(super) fn read(&self) -> Result<ClientKeyPart, NoClientKey> {
        self.read_for(&["sig"])
    }

    fn read_for(&self, uses: &[&str]) -> Result<ClientKeyPart, NoClientKey> {
        if let Some(name) = self.private_member() {
            return Err(NoClientKey::Private(name));
        }
        let key = PublicKey::try_from(self.members()?)?;
        on_its_curve(&key)?;
        if self.public_key_use.as_deref().is_some_and(|used| !uses.contains(&used)) {
            return Err(NoClientKey::Use);
        }
        if self.key_ops.as_deref().is_some_and(|operations| operations != ["verify"]) {
            return Err(NoClientKey::Operations);
        }
        let named = |name: &String| {
            let alg = AssertionAlgorithm::named(name).filter(|alg| alg.suits(&key));
            alg.ok_or(NoClientKey::Algorithm)
        };
        let alg = self.alg.as_ref().map(named).transpose()?;
        let fits = |kid: &String| {
            (1..=LONGEST_KID).contains(&kid.chars().count()) && !kid.chars().any(char::is_control)
        };
        if !self.kid.as_ref().is_none_or(fits) {
            return Err(NoClientKey::KeyId);
        }
        Ok(ClientKeyPart { credential_id: CredentialId::of_key(&key), kid: self.kid.clone(), alg, key })
    }

    fn private_member(&self) -> Option<&'static str> {
        let Self { d, p, q, dp, dq, qi, oth, k, .. } = self;
        let members =
            [("d", d), ("p", p), ("q", q), ("dp", dp), ("dq", dq), ("qi", qi), ("oth", oth), ("k", k)];
        members.into_iter().find(|(_, member)| member.is_some()).map(|(name, _)| name)
    }

    fn members(&self) -> Result<PublicMembers, NoClientKey> {
        let given = |name, member: &Option<String>| member.clone().ok_or(NoClientKey::Missing(name));
        let (crv, x) = (|| given("crv", &self.crv), || given("x", &self.x));
        match self.kty.as_str() {
            "RSA" => Ok(PublicMembers::Rsa { n: given("n", &self.n)?, e: given("e", &self.e)? }),
            "EC" => Ok(PublicMembers::Ec { crv: crv()?, x: x()?, y: given("y", &self.y)? }),
            "OKP" => Ok(PublicMembers::Okp { crv: crv()?, x: x()? }),
            _ => Err(NoClientKey::Type),
        }
    }
}

/// A point that is none would verify nothing, and its owner would not learn why.
fn on_its_curve(key: &PublicKey) -> Result<(), NoClientKey> {
    let parsed = match key {
        PublicKey::Rsa { .. } => return Ok(()),
        PublicKey::P256(point) => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point),
        PublicKey::P384(point) => ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point),
        PublicKey::Ed25519(key) => ParsedPublicKey::new(&ED25519, key),
    };
    parsed.map(drop).map_err(|_| NoClientKey::Point)
}

/// All keys of a set that was handed in.
///
/// # Errors
/// The first key that is none, by its place, and why.
pub fn read_all(jwks: &[ClientJwk]) -> Result<Vec<ClientKeyPart>, (usize, NoClientKey)> {
    let (mut keys, mut kids, mut ids) = (Vec::new(), HashSet::new(), HashSet::new());
    for (at, jwk) in jwks.iter().enumerate() {
        let key = jwk.read().map_err(|why| (at, why))?;
        if !key.kid.clone().is_none_or(|kid| kids.insert(kid)) {
            return Err((at, NoClientKey::KeyIdTwice));
        }
        if !ids.insert(key.credential_id) {
            return Err((at, NoClientKey::KeyTwice));
        }
        keys.push(key);
    }
    Ok(keys)
}

/// The keys of a set that somebody publishes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublishedKeys {
    /// Those that are of use, as many as are taken.
    pub keys: Vec<ClientKeyPart>,
    /// Whether there are more of them.
    pub more: bool,
}

/// The keys of a document that was fetched (RFC 7517 §5: the others are ignored); nothing when it is no JWK set. Of several
/// keys with one name the first counts.
#[must_use]
pub fn read_fetched(document: &[u8]) -> Option<PublishedKeys> {
    read_useful(document, &["sig"])
}

/// The same of an issuer of workload tokens, which may be a SPIFFE bundle, in which `use` says of which tokens a key is (SPIFFE
/// Trust Domain and Bundle §4.2.2).
#[must_use]
pub fn read_issuer_keys(document: &[u8]) -> Option<PublishedKeys> {
    read_useful(document, &["sig", "jwt-svid"])
}

fn read_useful(document: &[u8], uses: &[&str]) -> Option<PublishedKeys> {
    #[derive(Deserialize)]
    struct KeySet {
        keys: Vec<serde_json::Value>,
    }
    let KeySet { keys: jwks } = serde_json::from_slice(document).ok()?;
    let (mut keys, mut kids, mut ids) = (Vec::new(), HashSet::new(), HashSet::new());
    for jwk in jwks {
        let Ok(key) = serde_json::from_value::<ClientJwk>(jwk)
            .map_err(drop)
            .and_then(|jwk| jwk.read_for(uses).map_err(drop))
        else {
            continue;
        };
        if key.kid.clone().is_none_or(|kid| kids.insert(kid)) && ids.insert(key.credential_id) {
            if keys.len() == MOST_PUBLISHED_KEYS {
                return Some(PublishedKeys { keys, more: true });
            }
            keys.push(key);
        }
    }
    Some(PublishedKeys { keys, more: false })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::domain::algorithm::Algorithm;
    use crate::token::signer::SigningKey;

    fn good(algorithm: Algorithm) -> Value {
        let (key, _) = SigningKey::generate(algorithm).expect("a key");
        serde_json::to_value(key.public_jwk()).expect("JSON")
    }

    fn judge(jwks: &[Value]) -> Result<usize, NoClientKey> {
        let read = |jwk: &Value| serde_json::from_value(jwk.clone()).expect("a JWK");
        let jwks: Vec<ClientJwk> = jwks.iter().map(read).collect();
        read_all(&jwks).map(|keys| keys.len()).map_err(|(_, why)| why)
    }

    fn with(jwk: &Value, member: &str, value: Value) -> Value {
        let mut jwk = jwk.clone();
        jwk[member] = value;
        jwk
    }

    #[test]
    fn rfc_7517_section_4_what_a_key_says_of_its_use_is_respected() {
        for algorithm in Algorithm::ALL {
            let jwk = good(algorithm);
            assert_eq!(judge(std::slice::from_ref(&jwk)), Ok(1));
            let refused = |member, value| judge(&[with(&jwk, member, value)]).expect_err("refused");
            assert_eq!(refused("use", json!("enc")), NoClientKey::Use);
            assert_eq!(refused("key_ops", json!(["sign"])), NoClientKey::Operations);
            assert_eq!(refused("key_ops", json!(["verify", "verify"])), NoClientKey::Operations);
            assert_eq!(refused("kid", json!("")), NoClientKey::KeyId);
            for alg in ["none", "HS256", "ES384", "ES512", "ES256K", "rs256"] {
                assert_eq!(refused("alg", json!(alg)), NoClientKey::Algorithm, "{alg}");
            }
            assert_eq!(judge(&[with(&jwk, "key_ops", json!(["verify"]))]), Ok(1));
            assert_eq!(judge(&[with(&jwk, "x5t", json!("?"))]), Ok(1), "unknown members are ignored");
            for private in ["d", "p", "q", "dp", "dq", "qi", "oth", "k"] {
                assert_eq!(refused(private, json!("AQ")), NoClientKey::Private(private));
            }
        }
    }

    #[test]
    fn rfc_7517_section_4_5_no_name_and_no_key_comes_twice() {
        let (one, other) = (good(Algorithm::EdDSA), good(Algorithm::EdDSA));
        let named = |jwk: &Value| with(jwk, "kid", json!("k"));
        assert_eq!(judge(&[named(&one), other.clone()]), Ok(2));
        assert_eq!(judge(&[named(&one), named(&other)]), Err(NoClientKey::KeyIdTwice));
        assert_eq!(judge(&[named(&one), one]), Err(NoClientKey::KeyTwice));
    }

    #[test]
    fn a_point_off_its_curve_is_refused() {
        let jwk = good(Algorithm::ES256);
        let x = jwk["x"].clone();
        assert_eq!(judge(&[with(&jwk, "y", x)]), Err(NoClientKey::Point));
        assert_eq!(judge(&[json!({ "kty": "oct" })]), Err(NoClientKey::Type));
        assert_eq!(judge(&[json!({ "kty": "RSA", "e": "AQAB" })]), Err(NoClientKey::Missing("n")));
    }

    #[test]
    fn rfc_7517_section_5_of_a_document_what_is_of_no_use_is_ignored() {
        let jwk = good(Algorithm::RS256);
        let read = |keys: Value| {
            read_fetched(json!({ "keys": keys }).to_string().as_bytes()).map(|set| set.keys.len())
        };
        let others = json!([{ "kty": "oct", "k": "AQ" }, with(&jwk, "d", json!("AQ")), 7, jwk]);
        assert_eq!(read(others), Some(1));
        assert_eq!(read(json!([])), Some(0));
        assert_eq!(read(json!({})), None);
        let many: Vec<Value> = (0..=MOST_CLIENT_KEYS).map(|_| good(Algorithm::EdDSA)).collect();
        assert_eq!(read(json!(many)), Some(MOST_CLIENT_KEYS + 1), "more than may be handed in");
        assert_eq!(read_fetched(b"<html>"), None);
    }

    #[test]
    fn of_a_set_that_is_too_long_the_first_keys_are_taken() {
        let mut jwks: Vec<Value> = (0..=MOST_PUBLISHED_KEYS).map(|_| good(Algorithm::EdDSA)).collect();
        let read =
            |jwks: &[Value]| read_fetched(json!({ "keys": jwks }).to_string().as_bytes()).expect("a set");
        // What is of no use takes no place.
        jwks.insert(0, json!({ "kty": "oct", "k": "AQ" }));
        let read_all = read(&jwks[..=MOST_PUBLISHED_KEYS]);
        assert_eq!((read_all.keys.len(), read_all.more), (MOST_PUBLISHED_KEYS, false));
        let cut = read(&jwks);
        assert_eq!(cut, PublishedKeys { more: true, ..read_all });
    }
}
