//! The record of a caller: the flat thing that regions cache and that a request is judged by.
//!
//! Judging is pure: a record, what was presented, and the authority's time go in; a verdict comes
//! out. Whether the record may be believed (lease, floor, seals) is the directory's business.

use std::cmp::Reverse;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::algorithm::Algorithm;
use super::assertion::AssertionAlgorithm;
use super::certificate::ClientCertificates;
use super::credential_id::CredentialId;
use super::public_key::PublicKey;
use super::revoked_token::RevokedTokens;
use super::token_status::TokenStatuses;
use super::trust::Trust;

/// Whether a part of a record may be served. Other states are not in records at all. A flip goes upwards.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Liveness {
    /// Not yet in every region: a cache may hold it, nobody may be served by it.
    Pending,
    /// In every required region.
    Valid,
}

/// Everything that the hot path needs to know of one caller.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// The name it is cached by: of a service account, the `client_id`.
    pub credential: String,
    /// The account's id in the management API, where it is a service account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service_account_id: Option<uuid::Uuid>,
    /// The tenant it belongs to.
    pub tsg_id: String,
    /// The tenants from the root to its own.
    pub path: Vec<String>,
    /// Account and tenant both in use.
    pub enabled: bool,
    /// Its secrets, pending and valid.
    pub secrets: Vec<SecretPart>,
    /// The public keys that its assertions are verified by. Left out where there are none, as by programs of before.
    #[serde(default, skip_serializing_if = "ClientKeys::is_empty")]
    pub client_keys: ClientKeys,
    /// What it is known by when it shows a certificate. Left out likewise.
    #[serde(default, skip_serializing_if = "ClientCertificates::is_empty")]
    pub client_certificates: ClientCertificates,
    /// Whether it gets tokens with a proof of possession only (RFC 9449 §5.2). Left out where it is not so, as by programs of before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dpop_bound: bool,
    /// Who may act for it (RFC 8693), by `client_id`. Left out where nobody may, as by programs of before.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub may_act: Vec<String>,
    /// Whose tokens it trusts. Left out where there is nobody.
    #[serde(default, skip_serializing_if = "Trust::is_empty")]
    pub trust: Trust,
    /// The API keys bound to it, pending and valid.
    pub keys: Vec<KeyPart>,
    /// Its roles and where they hold.
    pub grants: Vec<Grant>,
    /// Tokens of it that were taken back. Left out where there are none, as by programs of before.
    #[serde(default, skip_serializing_if = "RevokedTokens::is_empty")]
    pub revoked_tokens: RevokedTokens,
    /// Where the bits of its tokens are.
    #[serde(default, skip_serializing_if = "TokenStatuses::is_empty")]
    pub statuses: TokenStatuses,
}

/// One secret of a record.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretPart {
    /// The public id, part of the secret itself.
    pub credential_id: String,
    /// Whether every region has it.
    pub status: Liveness,
    /// Which pepper made the hash.
    pub pepper: String,
    /// HMAC-SHA-256 of the secret.
    #[serde(with = "base64_32")]
    pub hash: [u8; 32],
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
}

/// What a client's assertions are verified by (RFC 7523 §2.2): keys of the account's own, or an address to fetch them
/// from. None of it is ever pending: whoever does not know of a new key asks the authority before it refuses.
#[derive(Clone, PartialEq, Eq, Default, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientKeys {
    /// Its own.
    #[serde(default)]
    pub keys: Vec<ClientKeyPart>,
    /// Where they are, when they are not here.
    #[serde(default)]
    pub jwks_uri: Option<KeyAddressPart>,
}

/// One public key.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientKeyPart {
    /// What tokens name it by.
    pub credential_id: CredentialId,
    /// What its owner calls it (RFC 7517 §4.5).
    pub kid: Option<String>,
    /// The one algorithm it is for, when its owner has said so (RFC 7517 §4.4).
    pub alg: Option<AssertionAlgorithm>,
    /// The key.
    pub key: PublicKey,
}

/// Where keys are fetched from.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyAddressPart {
    /// What tokens name it by.
    pub credential_id: CredentialId,
    /// The address, `https`.
    pub uri: String,
}

impl ClientKeyPart {
    /// What it takes of memory.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let key = match &self.key {
            PublicKey::Rsa { n, e } => n.len() + e.len(),
            PublicKey::P256(_) | PublicKey::P384(_) | PublicKey::Ed25519(_) => 0,
        };
        size_of::<Self>() + self.kid.as_ref().map_or(0, String::len) + key
    }
}

impl ClientKeys {
    /// Whether there is nothing to verify an assertion by.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.jwks_uri.is_none()
    }
}

/// One API key of a record, with what its product says of tokens.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeyPart {
    /// Its public number.
    pub api_key_id: i64,
    /// Whether every region has it.
    pub status: Liveness,
    /// The product it opens.
    pub product: String,
    /// The product's audience (RFC 8707 §2).
    pub audience: String,
    /// How tokens for that audience are signed.
    pub algorithm: Algorithm,
    /// How long such a token lives at most, seconds.
    pub token_lifetime_seconds: i64,
    /// When it stops working.
    pub expires_at: Option<Timestamp>,
    /// The secret of a key that is never sent itself, sealed to the key's number. Left out of others, as by programs of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed: Option<SealedSecret>,
}

/// A secret under a master key, as standard base64.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SealedSecret(#[serde(with = "base64_bytes")] pub Vec<u8>);

/// A role and where it holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// The role's name.
    pub role: String,
    /// In this tenant and all below it.
    pub tsg_id: String,
    /// For these products; nothing means all apps and services.
    pub products: Option<Vec<String>>,
}

/// Bytes as standard base64; Postgres's `encode` breaks the lines of it.
mod base64_bytes {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<Vec<u8>, D::Error> {
        let text: String = String::deserialize(d)?.split_ascii_whitespace().collect();
        STANDARD.decode(text).map_err(D::Error::custom)
    }
}

/// Thirty-two bytes as standard base64, which is how Postgres's `encode` writes them.
mod base64_32 {
    use base64::Engine;
    use base64::engine::general_purpose::STANDARD;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub fn serialize<S: Serializer>(bytes: &[u8; 32], s: S) -> Result<S::Ok, S::Error> {
        s.serialize_str(&STANDARD.encode(bytes))
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(d: D) -> Result<[u8; 32], D::Error> {
        let bytes = STANDARD.decode(String::deserialize(d)?).map_err(D::Error::custom)?;
        bytes.try_into().map_err(|_| D::Error::custom("a hash is 32 bytes"))
    }
}

/// What tells the newer of two readings of one credential: a higher version or, at the same version,
/// fewer pending parts. A live reading beats an armed one.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Standing {
    version: i64,
    pending_parts: Reverse<usize>,
    read_seq: i64,
}

impl Standing {
    /// Of a reading of this version, with so many parts pending, true up to `read_seq`.
    #[must_use]
    pub fn new(version: i64, pending_parts: usize, read_seq: i64) -> Self {
        Self { version, pending_parts: Reverse(pending_parts), read_seq }
    }
}

/// A record as it was read: which version, and up to which change of the feed it is known to be true.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Entry {
    /// The record.
    pub record: Arc<Record>,
    /// The credential's version.
    pub version: i64,
    /// Every change up to this `seq` is in it.
    pub read_seq: i64,
}

impl Entry {
    /// Where it stands among the readings of its credential.
    #[must_use]
    pub fn standing(&self) -> Standing {
        Standing::new(self.version, self.record.pending_parts(), self.read_seq)
    }

    /// Whether this is a newer reading than `other`.
    #[must_use]
    pub fn supersedes(&self, other: &Self) -> bool {
        self.standing() > other.standing()
    }
}

fn is_over(expires_at: Option<Timestamp>, now: Timestamp) -> bool {
    expires_at.is_some_and(|end| end <= now)
}

impl Record {
    /// How many parts are pending. At one version this number only falls (a flip), so that of two
    /// readings of the same version the one with fewer is the newer.
    #[must_use]
    pub fn pending_parts(&self) -> usize {
        self.secrets.iter().filter(|s| s.status == Liveness::Pending).count()
            + self.keys.iter().filter(|k| k.status == Liveness::Pending).count()
    }

    /// Whether nothing but flips lies between this reading and that later one of the same version.
    #[must_use]
    pub fn flips_to(&self, later: &Self) -> bool {
        let mut flipped = self.clone();
        for (secret, then) in flipped.secrets.iter_mut().zip(&later.secrets) {
            secret.status = secret.status.max(then.status);
        }
        for (key, then) in flipped.keys.iter_mut().zip(&later.keys) {
            key.status = key.status.max(then.status);
        }
        flipped == *later
    }

    /// As if everything pending in it were valid: what must never be served.
    #[must_use]
    pub fn livened(&self) -> Self {
        let mut record = self.clone();
        record.secrets.iter_mut().for_each(|secret| secret.status = Liveness::Valid);
        record.keys.iter_mut().for_each(|key| key.status = Liveness::Valid);
        record
    }

    /// The secret of this id, unless its time is over.
    #[must_use]
    pub fn secret(&self, credential_id: &str, now: Timestamp) -> Option<&SecretPart> {
        self.secrets.iter().find(|s| s.credential_id == credential_id).filter(|s| !is_over(s.expires_at, now))
    }

    /// Whether what a client proved itself by may still do so; nothing when it is gone.
    #[must_use]
    pub fn proof(&self, id: &CredentialId, now: Timestamp) -> Option<Liveness> {
        let ClientKeys { keys, jwks_uri } = &self.client_keys;
        match id {
            CredentialId::Secret(id) => self.secret(id.as_str(), now).map(|secret| secret.status),
            CredentialId::ClientKey(_) => {
                keys.iter().any(|key| key.credential_id == *id).then_some(Liveness::Valid)
            }
            CredentialId::KeyAddress(_) => {
                jwks_uri.as_ref().filter(|address| address.credential_id == *id).map(|_| Liveness::Valid)
            }
            CredentialId::Certificate(_) | CredentialId::CertificateName(_) => {
                self.client_certificates.has(id, now).then_some(Liveness::Valid)
            }
            CredentialId::TrustRule(_) => {
                self.trust.rules.iter().any(|rule| rule.credential_id == *id).then_some(Liveness::Valid)
            }
        }
    }

    /// The keys that are not over.
    pub fn keys(&self, now: Timestamp) -> impl Iterator<Item = &KeyPart> {
        self.keys.iter().filter(move |k| !is_over(k.expires_at, now))
    }

    /// The roles it holds in the tenant whose line from the root is `path`, for one product or, with
    /// nothing, for the management API.
    #[must_use]
    pub fn roles(&self, path: &[String], product: Option<&str>) -> Vec<String> {
        let covers = |g: &Grant| match (&g.products, product) {
            (None, _) | (Some(_), None) => true,
            (Some(some), Some(product)) => some.iter().any(|p| p == product),
        };
        let mut roles: Vec<String> = self
            .grants
            .iter()
            .filter(|g| path.contains(&g.tsg_id) && covers(g))
            .map(|g| g.role.clone())
            .collect();
        roles.sort_unstable();
        roles.dedup();
        roles
    }
}
