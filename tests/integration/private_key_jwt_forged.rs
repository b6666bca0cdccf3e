//! Forged assertions: whatever can be made without the client's key, or with it and against the rules, gets no token.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::client_key::{ClientKey, account_with, ask, base64, claims};
use crate::support::refused::assert_alike;
use crate::support::scene::Scene;

const ISSUER: &str = "https://id.example";

/// Forged assertions of one client, each with what is wrong with it.
struct Forger<'a> {
    client_id: &'a str,
    key: &'a ClientKey,
    forged: Vec<(String, String)>,
}

impl Forger<'_> {
    fn claims(&self) -> Value {
        claims(self.client_id, ISSUER)
    }

    fn add(&mut self, what: &str, assertion: String) {
        self.forged.push((format!("{}: {what}", self.key.alg), assertion));
    }

    fn signed(&mut self, what: &str, header: &str, payload: &str) {
        let assertion = self.key.sign_texts(header, payload);
        self.add(what, assertion);
    }

    fn header(&mut self, what: &str, header: &str) {
        let payload = self.claims().to_string();
        self.signed(what, header, &payload);
    }

    /// With this in the place of that in its payload.
    fn payload(&mut self, what: &str, from: &str, to: &str) {
        let payload = self.claims().to_string();
        assert!(payload.contains(from), "{what}");
        let header = self.key.header().to_string();
        self.signed(what, &header, &payload.replacen(from, to, 1));
    }

    /// An algorithm that needs no private key, or the public one alone.
    fn confused_algorithms(&mut self) {
        let claims = self.claims().to_string();
        let kid = self.key.kid().to_owned();
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            let header = json!({ "alg": alg, "kid": kid }).to_string();
            let start = format!("{}.{}", base64(header), base64(&claims));
            self.add(&format!("alg {alg:?} without a signature"), format!("{start}."));
            let signature = base64(self.key.signature(&start));
            self.add(&format!("alg {alg:?} with one"), format!("{start}.{signature}"));
        }
        let member = |name: &str| self.key.jwk[name].as_str().map(|text| text.as_bytes().to_vec());
        let mut public = vec![self.key.jwk.to_string().into_bytes(), kid.clone().into_bytes()];
        public.extend(["n", "x"].into_iter().filter_map(member));
        let raw = public.last().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        public.extend(raw);
        for (alg, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512)] {
            for (n, secret) in public.iter().enumerate() {
                let header = json!({ "alg": alg, "kid": kid }).to_string();
                let start = format!("{}.{}", base64(header), base64(&claims));
                let tag = hmac::sign(&hmac::Key::new(algorithm, secret), start.as_bytes());
                self.add(&format!("{alg} with public key {n}"), format!("{start}.{}", base64(tag)));
            }
        }
        for alg in ["RS256", "PS256", "ES256", "EdDSA", "ES384", "RS512", "Ed448", "ES256K"] {
            if alg != self.key.alg {
                self.header(&format!("says {alg}"), &json!({ "alg": alg, "kid": kid }).to_string());
            }
        }
    }

    fn stranger_s_keys(&mut self) {
        let stranger = ClientKey::new(self.key.alg);
        let (claims, kid) = (self.claims(), self.key.kid().to_owned());
        let mut headers = vec![
            stranger.header(),
            json!({ "alg": stranger.alg }),
            json!({ "alg": stranger.alg, "kid": kid }),
            json!({ "alg": stranger.alg, "jwk": stranger.jwk }),
            json!({ "alg": stranger.alg, "kid": kid, "jwk": stranger.jwk }),
            json!({ "alg": stranger.alg, "kid": kid, "jku": "https://keys.example/" }),
        ];
        headers.push(json!({ "alg": stranger.alg, "kid": kid, "x5u": "https://keys.example/" }));
        headers.push(json!({ "alg": stranger.alg, "kid": kid, "x5c": ["AQAB"] }));
        for header in headers {
            self.add(&format!("a stranger's, {header}"), stranger.sign(&header, &claims));
        }
        // The client's own, but moved to other claims.
        let good = self.key.assertion(self.client_id, ISSUER);
        let (start, signature) = good.rsplit_once('.').expect("three parts");
        let (header, payload) = start.split_once('.').expect("three parts");
        let other = base64(self.claims().to_string());
        self.add("another payload", format!("{header}.{other}.{signature}"));
        let other = base64(json!({ "alg": self.key.alg }).to_string());
        self.add("another header", format!("{other}.{payload}.{signature}"));
        let zeros = base64(vec![0; URL_SAFE_NO_PAD.decode(signature).expect("base64url").len()]);
        self.add("a signature of zeros", format!("{start}.{zeros}"));
        self.add("no signature", format!("{start}."));
    }

    fn odd_texts(&mut self) {
        let good = self.key.assertion(self.client_id, ISSUER);
        let parts: Vec<&str> = good.split('.').collect();
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
        // Other spellings of the same bytes.
        for (n, name) in ["header", "payload", "signature"].iter().enumerate() {
            let spelt = |text: String| {
                let mut parts: Vec<String> = parts.iter().map(|&part| part.to_owned()).collect();
                parts[n] = text;
                parts.join(".")
            };
            for (what, text) in [
                ("padding", URL_SAFE.encode(bytes(parts[n]))),
                ("one =", format!("{}=", parts[n])),
                ("the other alphabet", STANDARD.encode(bytes(parts[n]))),
                ("a space", format!("{} ", parts[n])),
                ("a line end", format!("{}\n", parts[n])),
                ("a null", format!("{}\0", parts[n])),
            ] {
                if text != parts[n] {
                    self.add(&format!("{name} with {what}"), spelt(text));
                }
            }
        }
        self.add("four parts", format!("{good}.{}", parts[2]));
        self.add("five parts, as if encrypted", format!("{good}.e30.e30"));
        self.add("two parts", format!("{}.{}", parts[0], parts[1]));
        self.add("in quotes", format!("\"{good}\""));
        self.add(
            "as JSON",
            json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] }).to_string(),
        );
        self.add("nothing but dots", "..".to_owned());
        let mut long = self.claims();
        long["filler"] = json!("x".repeat(8_192));
        self.add("too long", self.key.sign(&self.key.header(), &long));
    }

    fn odd_json(&mut self) {
        let alg = self.key.alg;
        self.header("alg twice", &format!(r#"{{"alg":"none","alg":"{alg}"}}"#));
        self.header("alg twice, once escaped", &format!(r#"{{"\u0061lg":"none","alg":"{alg}"}}"#));
        self.header("kid twice", &format!(r#"{{"alg":"{alg}","kid":"a","kid":"{}"}}"#, self.key.kid()));
        self.header("crit", &format!(r#"{{"alg":"{alg}","crit":["nonsense"],"nonsense":1}}"#));
        self.header("crit of what is known", &format!(r#"{{"alg":"{alg}","crit":["alg"]}}"#));
        self.header("unencoded", &format!(r#"{{"alg":"{alg}","b64":false,"crit":["b64"]}}"#));
        self.header("an array", &format!(r#"["{alg}"]"#));
        self.header("not JSON", "alg");
        self.header("something behind it", &format!(r#"{{"alg":"{alg}"}}{{}}"#));
        self.header("a byte order mark", &format!("\u{feff}{{\"alg\":\"{alg}\"}}"));
        self.header("an access token", &format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#));
        for name in ["iss", "sub", "aud", "exp", "jti"] {
            let twice = format!(r#"{{"{name}":"https://other.example","#);
            self.payload(&format!("{name} twice"), "{", &twice);
            let upper = name.to_uppercase();
            self.payload(&format!("{upper} instead"), &format!("\"{name}\""), &format!("\"{upper}\""));
        }
        self.payload("a nested object twice", "{", r#"{"other":1,"other":2,"#);
        let header = self.key.header().to_string();
        self.signed("claims in an array", &header, "[]");
        self.signed("claims that are none", &header, "null");
        self.signed("no claims", &header, "{}");
        let nested = self.key.assertion(self.client_id, ISSUER);
        self.signed("an assertion in an assertion", &header, &nested);
    }
}

#[tokio::test]
async fn none_of_hundreds_of_forged_assertions_is_accepted() {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    for alg in ["RS256", "ES256", "EdDSA"] {
        let key = ClientKey::new(alg);
        let account = account_with(&scene, &format!("forged {alg}"), &[&key]).await;
        let mut workshop = Forger { client_id: &account.client_id, key: &key, forged: Vec::new() };
        workshop.confused_algorithms();
        workshop.stranger_s_keys();
        workshop.odd_texts();
        workshop.odd_json();
        // Tokens of ours are no assertions, whoever they are for.
        for form in [&[][..], &[("scope", "openid")]] {
            workshop.add("an access token", scene.token_of(&account, form).await);
        }
        let forged = workshop.forged;
        let different: BTreeSet<&String> = forged.iter().map(|(_, assertion)| assertion).collect();
        assert!(different.len() > 60, "{}", different.len());
        let mut answers = Vec::new();
        for (what, assertion) in forged {
            answers.push((what, ask(&scene.client, &assertion).await));
        }
        assert_alike(&answers, 401, "invalid_client");
        ask(&scene.client, &key.assertion(&account.client_id, ISSUER)).await.expect(200);
    }
}

/// And an assertion is no token, not even one that says all that a token says.
#[tokio::test]
async fn rfc_8725_section_3_12_an_assertion_opens_nothing() {
    let scene = Scene::with(&json!({ "issuer": ISSUER })).await;
    let key = ClientKey::new("RS256");
    let account = account_with(&scene, "bears", &[&key]).await;
    let mut whole = claims(&account.client_id, ISSUER);
    for (name, value) in [
        ("client_id", json!(account.client_id)),
        ("scope", json!("")),
        ("tsg_id", json!(scene.tsg_id)),
        ("roles", json!(["superuser"])),
        ("credential_id", json!(key.credential_id())),
    ] {
        whole[name] = value;
    }
    for typ in ["JWT", "at+jwt", "client-authentication+jwt"] {
        let header = json!({ "alg": "RS256", "kid": key.kid(), "typ": typ });
        scene.client.whoami(&key.sign(&header, &whole)).await.expect(401);
        whole["iss"] = json!(ISSUER);
        scene.client.whoami(&key.sign(&header, &whole)).await.expect(401);
    }
}
