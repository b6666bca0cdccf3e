//! What is said of an issuer: by who registers or changes it, to who reads it, and in the audit trail.

use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;

use crate::domain::record::ClientKeyPart;
use crate::domain::tenant::TsgId;
use crate::domain::trust::IssuerKind;
use crate::manage::trust_refused::TrustRefused;
use crate::manage::{ManageError, text};
use crate::outgoing::Outgoing;
use crate::store::trusted_issuers::TrustedIssuer;
use crate::token::client_jwks::{ClientJwk, MOST_CLIENT_KEYS, ShownKey, read_all};

/// An issuer to trust.
#[derive(Debug, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct NewTrustedIssuer {
    /// What people will call it.
    #[garde(length(chars, min = 1, max = 128), custom(text::one_line))]
    pub name: String,
    /// What its tokens call it.
    #[garde(length(chars, min = 1, max = 512))]
    pub issuer: String,
    /// What its tokens look like.
    #[garde(skip)]
    pub kind: IssuerKind,
    /// Whom they must be for, when it is not Carnet's issuer.
    #[garde(length(chars, min = 1, max = 512), inner(custom(text::one_line)))]
    pub audience: Option<String>,
    /// Its keys.
    #[garde(length(min = 1, max = MOST_CLIENT_KEYS))]
    keys: Option<Vec<ClientJwk>>,
    /// Or where they are. With neither, its discovery document tells.
    #[garde(length(chars, min = 1, max = 2048))]
    jwks_uri: Option<String>,
}

/// What to change of an issuer; what is not given stays (RFC 7396). Its name and kind are what it is.
#[derive(Debug, Default, Deserialize, Validate)]
#[serde(deny_unknown_fields)]
pub struct TrustedIssuerChange {
    /// What people will call it.
    #[garde(length(chars, min = 1, max = 128), inner(custom(text::one_line)))]
    #[serde(default, deserialize_with = "text::given")]
    pub name: Option<String>,
    /// Whom its tokens must be for; `null` for Carnet's issuer.
    #[garde(length(chars, min = 1, max = 512), inner(inner(custom(text::one_line))))]
    #[serde(default, deserialize_with = "text::given")]
    pub audience: Option<Option<String>>,
    /// Its keys.
    #[garde(length(min = 1, max = MOST_CLIENT_KEYS))]
    #[serde(default, deserialize_with = "text::given")]
    keys: Option<Vec<ClientJwk>>,
    /// Where they are; `null` for where its discovery document says.
    #[garde(length(chars, min = 1, max = 2048))]
    #[serde(default, deserialize_with = "text::given")]
    pub jwks_uri: Option<Option<String>>,
}

/// What is shown of an issuer.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct ShownIssuer {
    /// Its id.
    pub id: Uuid,
    tsg_id: TsgId,
    name: String,
    issuer: String,
    kind: IssuerKind,
    audience: Option<String>,
    keys: Vec<ShownKey>,
    jwks_uri: Option<String>,
    created_at: jiff::Timestamp,
    /// Raised by every change.
    #[serde(skip)]
    pub revision: i32,
}

impl From<TrustedIssuer> for ShownIssuer {
    fn from(issuer: TrustedIssuer) -> Self {
        let TrustedIssuer { id, tsg_id, name, issuer, kind, audience, keys, jwks_uri, revision, created_at } =
            issuer;
        let keys = keys.into_iter().map(ShownKey::from).collect();
        Self { id, tsg_id, name, issuer, kind, audience, keys, jwks_uri, created_at, revision }
    }
}

/// Keys, or where they are.
pub(super) type KeysOrAddress = (Vec<ClientKeyPart>, Option<String>);

fn read_keys(jwks: &[ClientJwk]) -> Result<KeysOrAddress, ManageError> {
    let keys = read_all(jwks).map_err(|(at, why)| ManageError::InvalidClientKey(at, why))?;
    Ok((keys, None))
}

fn read_address(outgoing: &Outgoing, uri: &str) -> Result<KeysOrAddress, ManageError> {
    outgoing.check(uri)?;
    Ok((vec![], Some(uri.to_owned())))
}

fn discovered(outgoing: &Outgoing, kind: IssuerKind, issuer: &str) -> Result<KeysOrAddress, ManageError> {
    if kind == IssuerKind::Spiffe {
        return Err(TrustRefused::NoDiscovery.into());
    }
    outgoing.check(issuer)?;
    Ok((vec![], None))
}

impl NewTrustedIssuer {
    pub(super) fn keys(&self, own_issuer: &str, outgoing: &Outgoing) -> Result<KeysOrAddress, ManageError> {
        if self.issuer == own_issuer {
            return Err(TrustRefused::OwnIssuer.into());
        }
        if !self.kind.may_be_called(&self.issuer) {
            return Err(TrustRefused::Issuer.into());
        }
        match (&self.keys, &self.jwks_uri) {
            (Some(jwks), None) => read_keys(jwks),
            (None, Some(uri)) => read_address(outgoing, uri),
            (None, None) => discovered(outgoing, self.kind, &self.issuer),
            (Some(_), Some(_)) => Err(ManageError::KeysOrAddress),
        }
    }
}

impl TrustedIssuerChange {
    pub(super) fn apply(
        &self,
        before: &TrustedIssuer,
        outgoing: &Outgoing,
    ) -> Result<TrustedIssuer, ManageError> {
        let mut after = before.clone();
        if let Some(name) = &self.name {
            after.name.clone_from(name);
        }
        if let Some(audience) = &self.audience {
            after.audience.clone_from(audience);
        }
        (after.keys, after.jwks_uri) = match (&self.keys, &self.jwks_uri) {
            (None, None) => (after.keys, after.jwks_uri),
            (Some(jwks), None) => read_keys(jwks)?,
            (None, Some(Some(uri))) => read_address(outgoing, uri)?,
            (None, Some(None)) => discovered(outgoing, before.kind, &before.issuer)?,
            (Some(_), Some(_)) => return Err(ManageError::KeysOrAddress),
        };
        Ok(after)
    }
}

/// Whether something that it vouched for before it would not vouch for now.
pub(super) fn takes_away(before: &TrustedIssuer, after: &TrustedIssuer) -> bool {
    let kept = !before.keys.is_empty() && before.keys.iter().all(|key| after.keys.contains(key));
    let same_place = before.keys.is_empty() && after.keys.is_empty() && before.jwks_uri == after.jwks_uri;
    before.audience != after.audience || !kept && !same_place
}

/// What the audit trail says of it.
pub(super) fn details(issuer: &TrustedIssuer) -> serde_json::Value {
    let TrustedIssuer { name, issuer, kind, audience, keys, jwks_uri, .. } = issuer;
    let keys: Vec<_> = keys.iter().map(|key| key.credential_id).collect();
    json!({
        "name": name, "issuer": issuer, "kind": kind, "audience": audience, "keys": keys, "jwks_uri": jwks_uri,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::algorithm::Algorithm;
    use crate::token::signer::SigningKey;

    fn issuer(keys: &[ClientKeyPart], jwks_uri: Option<&str>) -> TrustedIssuer {
        TrustedIssuer {
            id: Uuid::nil(),
            tsg_id: TsgId::parse("1000000001").expect("a number"),
            name: "i".into(),
            issuer: "https://i.example".into(),
            kind: IssuerKind::Generic,
            audience: None,
            keys: keys.to_vec(),
            jwks_uri: jwks_uri.map(str::to_owned),
            revision: 1,
            created_at: jiff::Timestamp::UNIX_EPOCH,
        }
    }

    #[test]
    fn what_an_issuer_no_longer_vouches_for_is_taken_away() {
        let (key, _) = SigningKey::generate(Algorithm::EdDSA).expect("a key");
        let jwk =
            serde_json::from_value(serde_json::to_value(key.public_jwk()).expect("JSON")).expect("a JWK");
        let a = read_all(&[jwk]).expect("keys");
        let (kid, alg) = (Some("other".to_owned()), None);
        let b = ClientKeyPart { kid, alg, ..a[0].clone() };
        let both = [a[0].clone(), b.clone()];
        let (here, found, there) =
            (issuer(&a, None), issuer(&[], None), issuer(&[], Some("https://k.example")));
        for same in [&here, &found, &there] {
            assert!(!takes_away(same, &TrustedIssuer { name: "another".into(), ..same.clone() }));
            let audience = Some("urn:a".to_owned());
            assert!(takes_away(same, &TrustedIssuer { audience, ..same.clone() }));
        }
        assert!(!takes_away(&here, &issuer(&both, None)), "one more");
        for (before, after) in [
            (&issuer(&both, None), &here),
            (&here, &issuer(&[b], None)),
            (&here, &there),
            (&here, &found),
            (&there, &found),
            (&found, &there),
            (&found, &here),
        ] {
            assert!(takes_away(before, after), "{before:?} {after:?}");
        }
    }
}
