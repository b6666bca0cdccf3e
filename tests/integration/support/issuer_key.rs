//! The issuer's own signing keys, in the hands of somebody who has Postgres and the master key: nobody should. With them a test
//! signs what the server never would, so that what is refused is not refused for its signature.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use carnet::seal::{MasterKeys, Purpose};

use super::client_key::ClientKey;
use super::scene::Scene;
use super::stores::{MASTER_KEY, sql_value};

/// The key that signs with this algorithm now.
pub async fn issuer_key(scene: &Scene, alg: &'static str) -> ClientKey {
    let kid = scene.signer(alg).await;
    let sealed = format!(
        "SELECT translate(encode(sealed, 'base64'), E'\\n', '') FROM signing_key WHERE kid = '{kid}'"
    );
    let sealed = sql_value(&scene.database_url, &sealed).await.expect("a key");
    let sealed = STANDARD.decode(sealed).expect("base64");
    let opener = MasterKeys::parse([MASTER_KEY]).expect("a key").sealer(Purpose::SigningKey);
    let der = opener.open(&[kid.as_bytes()], &sealed).expect("the master key of the tests");
    let key = ClientKey::of(alg, alg.parse().expect("an algorithm"), &der);
    assert_eq!(key.kid(), kid);
    key
}
