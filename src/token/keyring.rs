//! The signing keys of one moment: an immutable snapshot that is exchanged whole.
//!
//! A key is published in the JWKS before it signs, and stays there after it has stopped, until
//! the last token it signed has expired: verifiers far away fetch the JWKS now and then only.
//! This module orders the keys; which keys there are, and when they change, is the store's word.

use std::collections::HashMap;
use std::sync::Arc;

use arc_swap::ArcSwap;
use serde::Serialize;

use super::claims::AccessClaims;
use super::rejected::Rejected;
use super::signer::SigningKey;
use super::verifying::{Jwk, VerifyingKey};
use super::{ACCESS_TOKEN_TYPE, jws};
use crate::domain::algorithm::Algorithm;

/// A key as the store gives it.
#[derive(Debug)]
pub struct KeyringEntry {
    /// The key.
    pub key: SigningKey,
    /// Whether it signs now. A key that does not is published all the same.
    pub active: bool,
}

/// The keys of one moment.
#[derive(Debug)]
pub struct Keyring {
    signing: Vec<SigningKey>,
    algorithms: Vec<Algorithm>,
    verifying: HashMap<String, VerifyingKey>,
    jwks: Vec<u8>,
    revision: i64,
    lacking: Vec<String>,
}

/// Why these keys make no keyring.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Two keys would sign with the same algorithm.
    #[error("two signing keys are active for {0}")]
    TwoActive(Algorithm),
    /// The same key came twice.
    #[error("the signing key {0} comes twice")]
    Twice(String),
    /// A key that cannot be written as JSON.
    #[error("the JWKS cannot be written")]
    Jwks,
}

/// RFC 7517 §5
#[derive(Serialize)]
struct JwkSet {
    keys: Vec<Jwk>,
}

impl Keyring {
    /// Orders the keys. The private half of a key that does not sign is dropped here.
    ///
    /// # Errors
    /// [`KeyringError`]
    pub fn new(mut entries: Vec<KeyringEntry>) -> Result<Self, KeyringError> {
        // RSA first: one verifier in the field tries keys in order and dies on the first of
        // another type. The sort is stable, so the store decides the rest.
        entries.sort_by_key(|entry| entry.key.algorithm());
        let keys = entries.iter().map(|entry| entry.key.public_jwk()).collect();
        let mut algorithms: Vec<_> = entries.iter().map(|entry| entry.key.algorithm()).collect();
        algorithms.dedup();
        let jwks = serde_json::to_vec(&JwkSet { keys }).map_err(|_| KeyringError::Jwks)?;

        let mut verifying = HashMap::with_capacity(entries.len());
        let mut signing: Vec<SigningKey> = Vec::new();
        for KeyringEntry { key, active } in entries {
            let kid = key.kid().to_owned();
            if verifying.insert(kid, key.verifying_key().clone()).is_some() {
                return Err(KeyringError::Twice(key.kid().to_owned()));
            }
            if active && signing.iter().any(|other| other.algorithm() == key.algorithm()) {
                return Err(KeyringError::TwoActive(key.algorithm()));
            }
            if active {
                signing.push(key);
            }
        }
        Ok(Self { signing, algorithms, verifying, jwks, revision: 0, lacking: Vec::new() })
    }

    /// The same, as the keys of this revision, of which these could not be read.
    #[must_use]
    pub fn as_of(self, revision: i64, lacking: Vec<String>) -> Self {
        Self { revision, lacking, ..self }
    }

    /// Which keyring this is; the store counts them.
    #[must_use]
    pub fn revision(&self) -> i64 {
        self.revision
    }

    /// The keys that should be in it and could not be read.
    #[must_use]
    pub fn lacking(&self) -> &[String] {
        &self.lacking
    }

    /// The key that signs with this algorithm now, if there is one.
    #[must_use]
    pub fn signer(&self, algorithm: Algorithm) -> Option<&SigningKey> {
        self.signing.iter().find(|key| key.algorithm() == algorithm)
    }

    /// The algorithms of the published keys, each once, RS256 first: those that a live token may
    /// have been signed with, whether or not they sign now.
    #[must_use]
    pub fn algorithms(&self) -> &[Algorithm] {
        &self.algorithms
    }

    /// A published key by its name.
    #[must_use]
    pub fn verifying_key(&self, kid: &str) -> Option<&VerifyingKey> {
        self.verifying.get(kid)
    }

    /// The JWK set as JSON, public halves only, prepared once.
    #[must_use]
    pub fn jwks(&self) -> &[u8] {
        &self.jwks
    }

    /// Verifies an access token's signature and reads its claims, together with the key that
    /// signed it. Neither time nor issuer nor audience has been checked.
    ///
    /// # Errors
    /// [`Rejected`]
    pub fn read(&self, compact: &str) -> Result<(&VerifyingKey, AccessClaims), Rejected> {
        let verified = jws::verify(compact, ACCESS_TOKEN_TYPE, |kid| self.verifying_key(kid))?;
        let claims = AccessClaims::from_payload(&verified.payload)?;
        Ok((verified.key, claims))
    }
}

/// Where the instance keeps its present keyring. Readers never wait for an exchange.
#[derive(Debug)]
pub struct KeyringCell(ArcSwap<Keyring>);

impl KeyringCell {
    /// Begins with these keys.
    #[must_use]
    pub fn new(keyring: Keyring) -> Self {
        Self(ArcSwap::from_pointee(keyring))
    }

    /// The keys of now. Load once per request, so that one request sees one keyring.
    #[must_use]
    pub fn load(&self) -> Arc<Keyring> {
        self.0.load_full()
    }

    /// Puts other keys in their place.
    pub fn store(&self, keyring: Keyring) {
        self.0.store(Arc::new(keyring));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::token::tests::{claims, entry};

    fn jwks(keyring: &Keyring) -> Vec<(String, String)> {
        let jwks: Value = serde_json::from_slice(keyring.jwks()).unwrap();
        let text = |key: &Value, member: &str| key[member].as_str().unwrap().to_owned();
        let keys = jwks["keys"].as_array().unwrap().iter();
        keys.map(|key| (text(key, "alg"), text(key, "kid"))).collect()
    }

    #[test]
    fn rsa_keys_come_first_and_every_key_is_published() {
        let entries = vec![
            entry(Algorithm::EdDSA, true),
            entry(Algorithm::RS256, false),
            entry(Algorithm::ES256, true),
            entry(Algorithm::RS256, true),
        ];
        let kids: Vec<_> = entries.iter().map(|e| e.key.kid().to_owned()).collect();
        let keyring = Keyring::new(entries).unwrap();
        let expected = [("RS256", 1), ("RS256", 3), ("ES256", 2), ("EdDSA", 0)];
        let expected = expected.map(|(alg, at)| (alg.to_owned(), kids[at].clone()));
        assert_eq!(jwks(&keyring), expected);
        assert_eq!(keyring.algorithms(), Algorithm::ALL);
        assert_eq!(keyring.signer(Algorithm::RS256).unwrap().kid(), kids[3]);
    }

    /// Publish → sign → retire: a token outlives the moment its key stops signing.
    #[test]
    fn a_retired_key_still_verifies_until_it_is_gone() {
        let (old, der) = SigningKey::generate(Algorithm::ES256).unwrap();
        let again = || SigningKey::from_pkcs8(Algorithm::ES256, &der).unwrap();
        let token = old.sign(&claims()).unwrap();
        let cell = KeyringCell::new(Keyring::new(vec![]).unwrap());
        assert_eq!(cell.load().read(&token).unwrap_err(), Rejected::UnknownKey);
        assert!(cell.load().signer(Algorithm::ES256).is_none());

        for active in [false, true, false] {
            let key = again();
            cell.store(Keyring::new(vec![KeyringEntry { key, active }]).unwrap());
            let keyring = cell.load();
            assert_eq!(keyring.signer(Algorithm::ES256).is_some(), active);
            assert_eq!(keyring.algorithms(), [Algorithm::ES256]);
            let (key, read) = keyring.read(&token).unwrap();
            assert_eq!((key.kid(), read), (old.kid(), claims()));
        }
        cell.store(Keyring::new(vec![]).unwrap());
        assert_eq!(cell.load().read(&token).unwrap_err(), Rejected::UnknownKey);
    }

    #[test]
    fn two_active_keys_and_double_keys_are_refused() {
        let two = vec![entry(Algorithm::ES256, true), entry(Algorithm::ES256, true)];
        let refused = Keyring::new(two).unwrap_err();
        assert_eq!(refused, KeyringError::TwoActive(Algorithm::ES256));

        let (key, der) = SigningKey::generate(Algorithm::EdDSA).unwrap();
        let kid = key.kid().to_owned();
        let twin = SigningKey::from_pkcs8(Algorithm::EdDSA, &der).unwrap();
        let twice = [key, twin].map(|key| KeyringEntry { key, active: false });
        let refused = Keyring::new(twice.into()).unwrap_err();
        assert_eq!(refused, KeyringError::Twice(kid));
    }
}
