//! Tests of the room as a whole: what it signs is read by another library, what another library
//! signs is read here, and nothing else is.

mod forged;
mod oracle;

use std::sync::LazyLock;

use super::claims::{AccessClaims, Audience, StatusListEntry, TokenStatus};
use super::keyring::{Keyring, KeyringEntry};
use super::signer::SigningKey;
use crate::domain::algorithm::Algorithm;

pub(super) const ISSUER: &str = "https://id.example";
pub(super) const NOW: i64 = 1_800_000_000;

pub(super) fn claims() -> AccessClaims {
    AccessClaims {
        iss: ISSUER.to_owned(),
        sub: "scanner@1234567890.iam.id.example".to_owned(),
        aud: Audience::One("https://wildfire.example".to_owned()),
        exp: NOW + 900,
        iat: NOW,
        jti: "01930000-0000-7000-8000-000000000000".to_owned(),
        client_id: "scanner@1234567890.iam.id.example".to_owned(),
        scope: "email profile".to_owned(),
        tsg_id: "1234567890".to_owned(),
        api_key_id: Some("42".to_owned()),
        product: Some("advanced_wildfire".to_owned()),
        roles: vec!["superuser".to_owned()],
        credential_id: "0123456789ABCDef".parse().unwrap(),
        cnf: None,
        act: None,
        exchanged_from: vec![],
        status: Some(TokenStatus {
            status_list: StatusListEntry { idx: 7, uri: format!("{ISSUER}/status-lists/1") },
        }),
    }
}

pub(super) fn entry(algorithm: Algorithm, active: bool) -> KeyringEntry {
    let (key, _) = SigningKey::generate(algorithm).unwrap();
    KeyringEntry { key, active }
}

/// One published key of each algorithm, with the private halves as other libraries take them.
struct Bench {
    keyring: Keyring,
    ders: Vec<(Algorithm, Vec<u8>)>,
}

impl Bench {
    fn new() -> Self {
        let made = Algorithm::ALL.map(|algorithm| (algorithm, SigningKey::generate(algorithm)));
        let (mut entries, mut ders) = (Vec::new(), Vec::new());
        for (algorithm, made) in made {
            let (key, der) = made.unwrap();
            entries.push(KeyringEntry { key, active: true });
            ders.push((algorithm, der.to_vec()));
        }
        let keyring = Keyring::new(entries).unwrap();
        Self { keyring, ders }
    }

    fn key(&self, algorithm: Algorithm) -> &SigningKey {
        self.keyring.signer(algorithm).unwrap()
    }

    fn der(&self, algorithm: Algorithm) -> &[u8] {
        let found = self.ders.iter().find(|(of, _)| *of == algorithm);
        &found.unwrap().1
    }
}

/// Our keys.
static OURS: LazyLock<Bench> = LazyLock::new(Bench::new);
