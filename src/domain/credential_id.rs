//! What a client proved itself by, as a token names it: so that whoever asks us about the token hears when that is gone.
//!
//! | text | names |
//! |---|---|
//! | 16 base62 characters | a secret, by its public id |
//! | `jkt:` and 43 of base64url | a key of the account's, by its RFC 7638 thumbprint |
//! | `jku:` and 43 of base64url | the address that the account's keys are fetched from, by its SHA-256 |
//! | `x5t:` and 43 of base64url | a certificate of the account's own, by its SHA-256 |
//! | `x5n:` and 43 of base64url | a name that the account's certificates carry, by its SHA-256 |
//! | `fed:` and 43 of base64url | a rule by which the account trusts another issuer's tokens, by its SHA-256 |
//!
//! None of them says anything of a secret: it may be shown, logged, and put in a token.

use std::fmt;
use std::str::FromStr;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use serde::{Deserialize, Serialize};

use super::ids::PublicId;
use super::public_key::PublicKey;

const KEY: &str = "jkt:";
const ADDRESS: &str = "jku:";
const CERTIFICATE: &str = "x5t:";
const NAME: &str = "x5n:";
const RULE: &str = "fed:";

/// A SHA-256.
type Hash = [u8; 32];

/// What a client proved itself by.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(into = "String", try_from = "String")]
pub enum CredentialId {
    /// A secret.
    Secret(PublicId),
    /// A public key of the account's own.
    ClientKey(Hash),
    /// A key that was fetched from an address.
    KeyAddress(Hash),
    /// A certificate of the account's own.
    Certificate(Hash),
    /// A certificate of an authority that carries a name.
    CertificateName(Hash),
    /// A token of an issuer that the account trusts. The authority makes the hash (`trust_credential_id`).
    TrustRule(Hash),
}

/// The text names nothing of the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "a credential is named by 16 characters of base62, or by jkt:, jku:, x5t:, x5n: or fed: and 43 of base64url"
)]
pub struct MalformedCredentialId;

impl CredentialId {
    /// Of a public key.
    #[must_use]
    pub fn of_key(key: &PublicKey) -> Self {
        let mut hash = [0; 32];
        // Forty-three characters of base64url are thirty-two bytes.
        if let Ok(bytes) = URL_SAFE_NO_PAD.decode(key.members().thumbprint()) {
            hash.copy_from_slice(&bytes);
        }
        Self::ClientKey(hash)
    }

    /// Of an address that keys are fetched from.
    #[must_use]
    pub fn of_address(uri: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, uri.as_bytes()).as_ref());
        Self::KeyAddress(hash)
    }

    /// Of a name that certificates carry, as it is compared; of one text in two places there are two.
    #[must_use]
    pub fn of_name(place: &str, compared: &str) -> Self {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, format!("{place}\n{compared}").as_bytes()).as_ref());
        Self::CertificateName(hash)
    }
}

impl FromStr for CredentialId {
    type Err = MalformedCredentialId;

    fn from_str(text: &str) -> Result<Self, MalformedCredentialId> {
        let hash = |text: &str| {
            let bytes = URL_SAFE_NO_PAD.decode(text).ok();
            bytes.and_then(|bytes| bytes.try_into().ok()).ok_or(MalformedCredentialId)
        };
        if let Some(rest) = text.strip_prefix(KEY) {
            hash(rest).map(Self::ClientKey)
        } else if let Some(rest) = text.strip_prefix(ADDRESS) {
            hash(rest).map(Self::KeyAddress)
        } else if let Some(rest) = text.strip_prefix(CERTIFICATE) {
            hash(rest).map(Self::Certificate)
        } else if let Some(rest) = text.strip_prefix(NAME) {
            hash(rest).map(Self::CertificateName)
        } else if let Some(rest) = text.strip_prefix(RULE) {
            hash(rest).map(Self::TrustRule)
        } else {
            text.parse().map(Self::Secret).map_err(|_| MalformedCredentialId)
        }
    }
}

impl TryFrom<String> for CredentialId {
    type Error = MalformedCredentialId;

    fn try_from(text: String) -> Result<Self, MalformedCredentialId> {
        text.parse()
    }
}

impl From<CredentialId> for String {
    fn from(id: CredentialId) -> Self {
        id.to_string()
    }
}

impl From<PublicId> for CredentialId {
    fn from(id: PublicId) -> Self {
        Self::Secret(id)
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(id) => f.write_str(id.as_str()),
            Self::ClientKey(hash) => write!(f, "{KEY}{}", URL_SAFE_NO_PAD.encode(hash)),
            Self::KeyAddress(hash) => write!(f, "{ADDRESS}{}", URL_SAFE_NO_PAD.encode(hash)),
            Self::Certificate(hash) => write!(f, "{CERTIFICATE}{}", URL_SAFE_NO_PAD.encode(hash)),
            Self::CertificateName(hash) => write!(f, "{NAME}{}", URL_SAFE_NO_PAD.encode(hash)),
            Self::TrustRule(hash) => write!(f, "{RULE}{}", URL_SAFE_NO_PAD.encode(hash)),
        }
    }
}

impl fmt::Debug for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CredentialId({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_one_spelling_and_those_of_before_are_read() {
        let key = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        let hashed = ["jkt:", "jku:", "x5t:", "x5n:", "fed:"].map(|kind| format!("{kind}{key}"));
        for text in std::iter::once("0123456789ABCDef".to_owned()).chain(hashed) {
            let id: CredentialId = text.parse().expect("an id");
            assert_eq!(id.to_string(), text);
            assert_eq!(serde_json::to_string(&id).expect("JSON"), format!("\"{text}\""));
        }
        let longer = format!("jkt:{key}A");
        // The last character has two bits too many: another spelling of the same bytes.
        let spare = format!("jkt:{}l", &key[..42]);
        for text in ["", "jkt:", key, "JKT:0123456789ABCDef", "jkt:0123456789ABCDef", &longer, &spare] {
            assert_eq!(text.parse::<CredentialId>(), Err(MalformedCredentialId), "{text}");
        }
    }

    /// RFC 8037 §A.3
    #[test]
    fn a_key_is_named_by_its_thumbprint() {
        let x = URL_SAFE_NO_PAD.decode("11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo").expect("base64url");
        let key = PublicKey::Ed25519(x.try_into().expect("32 bytes"));
        let named = CredentialId::of_key(&key).to_string();
        assert_eq!(named, "jkt:kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
    }
}
