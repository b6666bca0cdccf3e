//! Proofs of possession (`DPoP`, RFC 9449): that who sends a request has the private key that a token is bound to.
//!
//! A proof is a JWT of a kind of its own, signed with the key that it brings along, for one request (method and address), at
//! one time, with a nonce that we gave out a short while ago and, at a resource, for one token. The address is that under the
//! issuer: which host a request says it is for is up to its sender, so that is not asked. The nonce is always wanted, so that
//! nobody makes proofs in stock. That a proof is used once is not judged here: it takes a store.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use reqwest::Url;
use ring::digest::{SHA256, digest};
use serde_json::Value;

use super::assertion::{Members, REFUSED_ANYWHERE, is_signed, numeric_date};
use super::client_jwks::ClientJwk;
use super::jws::{decode, is_type, split};
use crate::domain::assertion::AssertionAlgorithm;
use crate::domain::public_key::PublicKey;
use crate::seal::{Age, Nonces};

mod bad;

pub use bad::BadProof;

/// The type of every proof (RFC 9449 §4.2).
const TYPE: &str = "dpop+jwt";
/// The most bytes of a proof.
pub const MAX_PROOF_BYTES: usize = 4 * 1024;
/// The most characters of its `jti`.
const LONGEST_JTI: usize = 255;
/// How far its `iat` may be from now, seconds, in both directions: clients' clocks are what they are, and how fresh a proof
/// is the nonce says.
pub const IAT_WINDOW_SECONDS: i64 = 60;
/// What it may be signed with. RS256, which FAPI 2.0 forbids, was never in use for this, so that one list does for all.
pub const ALGORITHMS: [AssertionAlgorithm; 3] =
    [AssertionAlgorithm::ES256, AssertionAlgorithm::EdDSA, AssertionAlgorithm::PS256];

/// A request as its proof has to describe it.
#[derive(Clone, Copy, Debug)]
pub struct Proved<'a> {
    /// The one `DPoP` header; nothing when there is none, or more than one.
    pub proof: Option<&'a str>,
    /// The method, in its exact spelling.
    pub method: &'a str,
    /// The path, without query.
    pub path: &'a str,
    /// The token that it is for, at a resource.
    pub token: Option<&'a str>,
}

/// A proof that says what it must. Whether it was used before is another question.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Proof {
    /// The RFC 7638 thumbprint of its key.
    pub jkt: String,
    /// Its own name, not to be seen twice.
    pub jti: String,
    /// The first moment at which it is too old.
    pub ends_at: Timestamp,
    /// How old its nonce is.
    pub nonce: Age,
}

/// Judges proofs for one issuer.
#[derive(Debug)]
pub struct Proofs {
    nonces: Nonces,
    issuer: String,
}

impl Proofs {
    /// For what is under this issuer.
    #[must_use]
    pub fn new(nonces: Nonces, issuer: &str) -> Self {
        Self { nonces, issuer: issuer.to_owned() }
    }

    /// The nonce to give out now.
    #[must_use]
    pub fn nonce(&self, now: Timestamp) -> String {
        self.nonces.at(now.as_second())
    }

    /// Judges a proof in the order of RFC 9449 §4.3.
    ///
    /// # Errors
    /// [`BadProof`], the first thing that is wrong; the nonce comes last, so that only who would be right with another one
    /// hears of that.
    pub fn check(&self, request: &Proved<'_>, now: Timestamp) -> Result<Proof, BadProof> {
        self.judge(request, now.as_second()).inspect_err(|&why| {
            metrics::counter!("carnet_dpop_proofs_rejected_total", "why" => why.label()).increment(1);
        })
    }

    fn judge(&self, request: &Proved<'_>, now: i64) -> Result<Proof, BadProof> {
        let compact = request.proof.ok_or(BadProof::NotOne)?;
        let (claims, key) = verified(compact)?;
        let text = |name: &str| claims.get(name).and_then(Value::as_str).filter(|text| !text.is_empty());
        let claim = |name: &str| text(name).ok_or(BadProof::Claims);
        let jti = claim("jti")?;
        if jti.chars().count() > LONGEST_JTI {
            return Err(BadProof::Claims);
        }
        if claim("htm")? != request.method || !self.is_address_of(claim("htu")?, request.path) {
            return Err(BadProof::Request);
        }
        let iat = claims.get("iat").ok_or(BadProof::Claims)?;
        let iat = numeric_date(iat, f64::floor).map_err(|_| BadProof::Claims)?;
        if (now - iat).abs() > IAT_WINDOW_SECONDS {
            return Err(BadProof::Time);
        }
        if let Some(token) = request.token
            && text("ath") != Some(&hash_of(token))
        {
            return Err(BadProof::Token);
        }
        let nonce = text("nonce").and_then(|nonce| self.nonces.age(nonce, now)).ok_or(BadProof::Nonce)?;
        let ends_at = Timestamp::from_second(iat + IAT_WINDOW_SECONDS + 1).map_err(|_| BadProof::Time)?;
        Ok(Proof { jkt: key.members().thumbprint(), jti: jti.to_owned(), ends_at, nonce })
    }

    /// Whether this is the address of what is asked for, whatever is behind a `?` or `#`, in any spelling of RFC 3986 §6.2.2
    /// and §6.2.3.
    fn is_address_of(&self, htu: &str, path: &str) -> bool {
        let (Ok(mut named), Ok(asked)) = (Url::parse(htu), Url::parse(&format!("{}{path}", self.issuer)))
        else {
            return false;
        };
        named.set_query(None);
        named.set_fragment(None);
        named == asked
    }
}

/// RFC 9449 §4.2: `ath`.
fn hash_of(token: &str) -> String {
    URL_SAFE_NO_PAD.encode(digest(&SHA256, token.as_bytes()))
}

/// The claims, and the key that signed them, which the header brings along.
fn verified(compact: &str) -> Result<(serde_json::Map<String, Value>, PublicKey), BadProof> {
    if compact.len() > MAX_PROOF_BYTES {
        return Err(BadProof::NotCompact);
    }
    let (signed, header, payload, signature) = split(compact).ok_or(BadProof::NotCompact)?;
    let part = |part| decode(part).map_err(|_| BadProof::NotCompact);
    let (header, payload, signature) = (part(header)?, part(payload)?, part(signature)?);
    let Members(mut header) = serde_json::from_slice(&header).map_err(|_| BadProof::Header)?;
    let typed = header.get("typ").and_then(Value::as_str).is_some_and(|typ| is_type(typ, TYPE));
    if !typed || REFUSED_ANYWHERE.iter().any(|name| header.contains_key(*name)) {
        return Err(BadProof::Header);
    }
    let algorithm = header.get("alg").and_then(Value::as_str).and_then(AssertionAlgorithm::named);
    let algorithm = algorithm.filter(|named| ALGORITHMS.contains(named)).ok_or(BadProof::Algorithm)?;
    let jwk = header.remove("jwk").ok_or(BadProof::Key)?;
    let jwk: ClientJwk = serde_json::from_value(jwk).map_err(|_| BadProof::Key)?;
    let part = jwk.read().map_err(|_| BadProof::Key)?;
    if !algorithm.suits(&part.key) || part.alg.is_some_and(|alg| alg != algorithm) {
        return Err(BadProof::Key);
    }
    if !is_signed(&part.key, algorithm, signed.as_bytes(), &signature) {
        return Err(BadProof::Signature);
    }
    let Members(claims) = serde_json::from_slice(&payload).map_err(|_| BadProof::Claims)?;
    Ok((claims, part.key))
}

#[cfg(test)]
mod tests;
