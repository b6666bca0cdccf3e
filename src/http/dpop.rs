//! Proofs of possession on the wire (RFC 9449): the header they come in, the challenges that ask for one, and the nonce.

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use actix_web::{HttpMessage, HttpRequest};

use crate::token::dpop::{ALGORITHMS, Proved};

const DPOP: &str = "dpop";
const DPOP_NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// What is wrong where a proof was wanted (RFC 9449 §7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The token.
    Token,
    /// The proof.
    Proof,
    /// Its nonce.
    Nonce,
}

impl Fault {
    /// The value of `error`.
    pub const fn code(self) -> &'static str {
        match self {
            Self::Token => "invalid_token",
            Self::Proof => "invalid_dpop_proof",
            Self::Nonce => "use_dpop_nonce",
        }
    }
}

/// The challenge: without a fault, that this is another way to authenticate.
pub fn challenge(fault: Option<Fault>) -> String {
    let error = fault.map(|fault| format!("error=\"{}\", ", fault.code())).unwrap_or_default();
    let algorithms = ALGORITHMS.map(|algorithm| algorithm.names().join(" ")).join(" ");
    format!("DPoP realm=\"carnet\", {error}algs=\"{algorithms}\"")
}

/// Whether a proof was sent.
pub(super) fn is_sent(request: &HttpRequest) -> bool {
    request.headers().contains_key(DPOP)
}

/// The request as its proof has to describe it. Two proofs are none (RFC 9449 §4.3, 1).
pub(super) fn proved<'a>(request: &'a HttpRequest, token: Option<&'a str>) -> Proved<'a> {
    let mut all = request.headers().get_all(DPOP);
    let (first, more) = (all.next(), all.next());
    let proof = first.filter(|_| more.is_none()).and_then(|proof| proof.to_str().ok());
    Proved { proof, method: request.method().as_str(), path: request.uri().path(), token }
}

/// The nonce that an answer is to carry, kept with its request until there is one.
struct NextNonce(String);

/// Keeps the nonce for the answer to this request.
pub(super) fn keep(request: &HttpRequest, nonce: String) {
    request.extensions_mut().insert(NextNonce(nonce));
}

/// Puts it into the answer (RFC 9449 §8.2).
pub(super) fn supply(request: &HttpRequest, headers: &mut HeaderMap) {
    if let Some(NextNonce(nonce)) = request.extensions().get() {
        insert(headers, nonce);
    }
}

/// Puts a nonce into an answer.
pub(super) fn insert(headers: &mut HeaderMap, nonce: &str) {
    if let Ok(nonce) = HeaderValue::from_str(nonce) {
        headers.insert(DPOP_NONCE, nonce);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_9449_section_7_1_a_challenge_says_what_is_wrong_and_what_a_proof_may_be_signed_with() {
        assert_eq!(challenge(None), r#"DPoP realm="carnet", algs="ES256 EdDSA Ed25519 PS256""#);
        assert_eq!(
            challenge(Some(Fault::Nonce)),
            r#"DPoP realm="carnet", error="use_dpop_nonce", algs="ES256 EdDSA Ed25519 PS256""#
        );
    }
}
