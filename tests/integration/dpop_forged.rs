//! Proofs that are none: made without the key, for something else, or against the rules. None gets a token or opens anything.

use aws_lc_rs::hmac;
use serde_json::{Value, json};

use crate::support::client_key::{ClientKey, base64, now};
use crate::support::possession::{Holder, ask, ask_twice, ath, nonce, whoami};
use crate::support::refused::assert_alike;
use crate::support::scene::{Account, Scene};

const ISSUER: &str = "https://id.example";

/// A header, claims, and each change to them that makes a good proof a bad one.
struct Forger {
    holder: Holder,
    claims: Value,
    forged: Vec<(String, String)>,
}

impl Forger {
    fn new(holder: Holder, claims: Value) -> Self {
        Self { holder, claims, forged: Vec::new() }
    }

    fn fresh(&self) -> Value {
        let mut claims = self.claims.clone();
        claims["jti"] = json!(crate::support::client_key::fresh_jti());
        claims
    }

    fn add(&mut self, what: &str, proof: String) {
        self.forged.push((what.to_owned(), proof));
    }

    fn header(&mut self, name: &str, value: Value) {
        let mut header = self.holder.header();
        let what = format!("{name}: {value}");
        set(&mut header, name, value);
        let proof = self.holder.key.sign(&header, &self.fresh());
        self.add(&what, proof);
    }

    fn claim(&mut self, name: &str, value: Value) {
        let mut claims = self.fresh();
        let what = format!("{name}: {value}");
        set(&mut claims, name, value);
        let proof = self.holder.key.sign(&self.holder.header(), &claims);
        self.add(&what, proof);
    }

    fn headers(&mut self) {
        for typ in [json!("JWT"), json!("at+jwt"), json!("client-authentication+jwt"), json!(""), json!(7)] {
            self.header("typ", typ);
        }
        self.header("typ", Value::Null);
        for alg in ["none", "HS256", "RS256", "ES384", "es256", "EdDSA", ""] {
            self.header("alg", json!(alg));
        }
        for (name, value) in [
            ("crit", json!(["jti"])),
            ("jku", json!("https://keys.example/")),
            ("x5u", json!("https://keys.example/")),
            ("x5c", json!(["AQAB"])),
            ("b64", json!(false)),
        ] {
            self.header(name, value);
        }
        let stranger = ClientKey::new("ES256").jwk;
        let jwk = self.holder.header()["jwk"].clone();
        let with = |name: &str, value: Value| {
            let mut jwk = jwk.clone();
            set(&mut jwk, name, value);
            jwk
        };
        for jwk in [
            Value::Null,
            json!("a key"),
            json!([jwk]),
            stranger,
            json!({ "kty": "oct", "k": "AQAB" }),
            with("d", json!("AQAB")),
            with("y", Value::Null),
            with("crv", json!("P-384")),
            with("use", json!("enc")),
            with("alg", json!("EdDSA")),
        ] {
            self.header("jwk", jwk);
        }
    }

    fn claims(&mut self) {
        for (name, values) in [
            ("jti", vec![Value::Null, json!(""), json!(7), json!("j".repeat(256))]),
            (
                "htm",
                vec![
                    Value::Null,
                    json!("DELETE"),
                    json!(self.claims["htm"].as_str().unwrap_or("").to_lowercase()),
                ],
            ),
            (
                "htu",
                vec![
                    Value::Null,
                    json!("https://other.example/oauth2/token"),
                    json!(format!("{ISSUER}/")),
                    json!(format!("{ISSUER}:8443/oauth2/token")),
                    json!("http://id.example/oauth2/token"),
                    json!(format!("{ISSUER}/oauth2/token/")),
                    json!("/oauth2/token"),
                ],
            ),
            (
                "iat",
                vec![
                    Value::Null,
                    json!(now() - 120),
                    json!(now() + 120),
                    json!(0),
                    json!("now"),
                    json!(now().to_string()),
                ],
            ),
        ] {
            for value in values {
                self.claim(name, value);
            }
        }
    }

    fn texts(&mut self) {
        let good = self.holder.key.sign(&self.holder.header(), &self.fresh());
        let (start, signature) = good.rsplit_once('.').expect("three parts");
        let (header, _) = start.split_once('.').expect("three parts");
        let other = base64(self.fresh().to_string());
        self.add("another payload", format!("{header}.{other}.{signature}"));
        self.add("no signature", format!("{start}."));
        self.add("a signature of zeros", format!("{start}.{}", base64([0; 64])));
        self.add("half a signature", good[..good.len() - 40].to_owned());
        self.add("padding", format!("{good}="));
        self.add("two parts", start.to_owned());
        self.add("in quotes", format!("\"{good}\""));
        let header = json!({ "typ": "dpop+jwt", "alg": "HS256", "jwk": self.holder.header()["jwk"] });
        let signed = format!("{}.{}", base64(header.to_string()), base64(self.fresh().to_string()));
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.holder.header()["jwk"].to_string().as_bytes());
        let tag = hmac::sign(&key, signed.as_bytes());
        self.add("a symmetric signature", format!("{signed}.{}", base64(tag)));
        let twice = self.fresh().to_string().replacen('{', r#"{"htm":"DELETE","#, 1);
        let proof = self.holder.key.sign_texts(&self.holder.header().to_string(), &twice);
        self.add("htm twice", proof);
        let header = self.holder.header().to_string().replacen('{', r#"{"alg":"none","#, 1);
        let proof = self.holder.key.sign_texts(&header, &self.fresh().to_string());
        self.add("alg twice", proof);
        let mut long = self.fresh();
        long["filler"] = json!("x".repeat(4_096));
        let proof = self.holder.key.sign(&self.holder.header(), &long);
        self.add("too long", proof);
    }
}

fn set(whole: &mut Value, name: &str, value: Value) {
    let members = whole.as_object_mut().expect("an object");
    if value.is_null() {
        members.remove(name);
    } else {
        members.insert(name.to_owned(), value);
    }
}

async fn stage() -> (Scene, Account, String) {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let account = scene.account("forged").await;
    let nonce = nonce(&scene.client, &account).await;
    (scene, account, nonce)
}

#[tokio::test]
async fn rfc_9449_section_4_3_no_forged_proof_gets_a_token() {
    let (scene, account, nonce) = stage().await;
    let holder = Holder::new("ES256", ISSUER);
    let claims = holder.claims("POST", "/oauth2/token", &nonce);
    let mut forger = Forger::new(holder, claims);
    forger.headers();
    forger.claims();
    forger.texts();
    assert!(forger.forged.len() > 50, "{}", forger.forged.len());
    let mut refused = Vec::new();
    for (what, proof) in &forger.forged {
        refused.push((what.clone(), ask(&scene.client, &account, proof).await));
    }
    let (one, other) = (forger.holder.for_token(&nonce), forger.holder.for_token(&nonce));
    refused.push(("two proofs".into(), ask_twice(&scene.client, &account, [&one, &other]).await));
    refused.push(("an empty one".into(), ask(&scene.client, &account, "").await));
    assert_alike(&refused, 400, "invalid_dpop_proof");
    // None of the two was used up.
    ask(&scene.client, &account, &one).await.expect(200);
    // Nonces that are none of ours.
    for nonce in ["", "none", &"A".repeat(32), &nonce[..31]] {
        let refused = ask(&scene.client, &account, &forger.holder.for_token(nonce)).await.expect(400);
        assert_eq!(refused.code(), "use_dpop_nonce", "{nonce}");
    }
}

#[tokio::test]
async fn rfc_9449_section_7_no_forged_proof_opens_anything() {
    let (scene, account, nonce) = stage().await;
    let holder = Holder::new("ES256", ISSUER);
    let token = holder.token(&scene.client, &account).await;
    let mut claims = holder.claims("GET", "/v1/whoami", &nonce);
    claims["ath"] = json!(ath(&token));
    let mut forger = Forger::new(holder, claims);
    forger.headers();
    forger.claims();
    forger.texts();
    let other = forger.holder.token(&scene.client, &account).await;
    for hash in [Value::Null, json!(""), json!(ath(&other)), json!(format!("{}=", ath(&token)))] {
        forger.claim("ath", hash);
    }
    let stranger = Holder::new("ES256", ISSUER);
    forger.add("another's key", stranger.for_resource("GET", "/v1/whoami", &nonce, &token));
    forger.add("a proof for a token", forger.holder.for_token(&nonce));
    for (what, proof) in &forger.forged {
        let answer = whoami(&scene.client, &token, &[proof]).await;
        assert_eq!((answer.status, answer.code().as_str()), (401, "invalid_dpop_proof"), "{what}");
    }
    let one = forger.holder.for_resource("GET", "/v1/whoami", &nonce, &token);
    let two = forger.holder.for_resource("GET", "/v1/whoami", &nonce, &token);
    let both = whoami(&scene.client, &token, &[&one, &two]).await.expect(401);
    assert_eq!(both.code(), "invalid_dpop_proof");
    whoami(&scene.client, &token, &[&one]).await.expect(200);
    // A proof is no token, and no assertion.
    scene.client.whoami(&two).await.expect(401);
    crate::support::client_key::ask(&scene.client, &two).await.expect(401);
}
