//! The public half of a signing key of ours: its JWK, its name, and verification with *ring*.
//!
//! The key decides the algorithm. There is no way to ask a key to verify with another one.

use serde::Serialize;

use super::assertion::is_signed;
use super::rejected::Rejected;
use crate::domain::algorithm::Algorithm;
use crate::domain::public_key::{PublicKey, PublicMembers};

/// A public key that verifies signatures of one algorithm.
#[derive(Clone, Debug)]
pub struct VerifyingKey {
    kid: String,
    algorithm: Algorithm,
    public: PublicKey,
}

/// A public key as it stands in a JWKS (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2). It has no
/// member for anything private.
#[derive(Clone, Debug, Serialize)]
pub struct Jwk {
    #[serde(flatten)]
    public: PublicMembers,
    kid: String,
    alg: Algorithm,
    #[serde(rename = "use")]
    public_key_use: &'static str,
}

impl VerifyingKey {
    /// Of a key of ours; with an algorithm of another kind it verifies nothing.
    pub(super) fn new(algorithm: Algorithm, public: PublicKey) -> Self {
        let kid = public.members().thumbprint();
        Self { kid, algorithm, public }
    }

    /// The key's name: its RFC 7638 thumbprint, so that equal keys have equal names everywhere.
    #[must_use]
    pub fn kid(&self) -> &str {
        &self.kid
    }

    /// The only algorithm this key verifies.
    #[must_use]
    pub fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// The key for a JWKS.
    #[must_use]
    pub fn to_jwk(&self) -> Jwk {
        Jwk {
            public: self.public.members(),
            kid: self.kid.clone(),
            alg: self.algorithm(),
            public_key_use: "sig",
        }
    }

    /// Checks a signature.
    ///
    /// # Errors
    /// [`Rejected::BadSignature`]
    pub fn verify(&self, message: &[u8], signature: &[u8]) -> Result<(), Rejected> {
        if is_signed(&self.public, self.algorithm.into(), message, signature) {
            Ok(())
        } else {
            Err(Rejected::BadSignature)
        }
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;

    use super::*;

    /// RFC 8037 §A.2, §A.3 and §A.4
    #[test]
    fn the_ed25519_key_signature_and_thumbprint_are_those_of_the_rfc() {
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo";
        let bytes = URL_SAFE_NO_PAD.decode(x).unwrap().try_into().unwrap();
        let key = VerifyingKey::new(Algorithm::EdDSA, PublicKey::Ed25519(bytes));
        assert_eq!(key.kid(), "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");

        let message = b"eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
        let signature = URL_SAFE_NO_PAD
            .decode("hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg")
            .unwrap();
        assert_eq!(key.verify(message, &signature), Ok(()));
        assert_eq!(key.verify(&message[1..], &signature), Err(Rejected::BadSignature));
    }
}
