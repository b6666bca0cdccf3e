//! Forged tokens of workloads: whatever can be made without the issuer's key, or with another trusted issuer's, lets nobody in.

use std::collections::BTreeSet;

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::client_key::{ClientKey, base64, claims};
use crate::support::refused::assert_alike;
use crate::support::workload::{Trusting, generic, github, kubernetes, put_rules, spiffe};

type Forged = Vec<(String, String)>;

fn confused_algorithms(of: &Trusting, forged: &mut Forged) {
    let payload = of.claims().to_string();
    let kid = of.key.kid();
    for alg in ["none", "None", "NONE", ""] {
        let start = format!("{}.{}", base64(json!({ "alg": alg, "kid": kid }).to_string()), base64(&payload));
        forged.push((format!("{alg:?} unsigned"), format!("{start}.")));
        let signature = base64(of.key.signature(&start));
        forged.push((format!("{alg:?} signed"), format!("{start}.{signature}")));
    }
    let member = |name: &str| of.key.jwk[name].as_str().map(|text| text.as_bytes().to_vec());
    let mut public = vec![of.key.jwk.to_string().into_bytes(), kid.as_bytes().to_vec()];
    public.extend(["n", "x"].into_iter().filter_map(member));
    public
        .extend(["n", "x"].into_iter().filter_map(|n| URL_SAFE_NO_PAD.decode(of.key.jwk[n].as_str()?).ok()));
    for (alg, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512)] {
        for (n, secret) in public.iter().enumerate() {
            let start =
                format!("{}.{}", base64(json!({ "alg": alg, "kid": kid }).to_string()), base64(&payload));
            let tag = hmac::sign(&hmac::Key::new(algorithm, secret), start.as_bytes());
            forged.push((format!("{alg} with public {n}"), format!("{start}.{}", base64(tag))));
        }
    }
    for alg in ["RS256", "PS256", "ES256", "EdDSA", "ES384", "RS512", "ES256K"] {
        if alg != of.key.alg {
            let header = json!({ "alg": alg, "kid": kid }).to_string();
            forged.push((format!("says {alg}"), of.key.sign_texts(&header, &payload)));
        }
    }
}

fn strangers(of: &Trusting, forged: &mut Forged) {
    let stranger = ClientKey::new(of.key.alg);
    let (alg, kid) = (stranger.alg, of.key.kid());
    for header in [
        json!({ "alg": alg }),
        json!({ "alg": alg, "kid": kid }),
        json!({ "alg": alg, "kid": stranger.kid() }),
        json!({ "alg": alg, "kid": kid, "jwk": stranger.jwk }),
        json!({ "alg": alg, "kid": kid, "jku": "https://keys.example/" }),
        json!({ "alg": alg, "kid": kid, "x5u": "https://keys.example/" }),
        json!({ "alg": alg, "kid": kid, "x5c": ["AQAB"] }),
        json!({ "alg": alg, "kid": [kid] }),
    ] {
        forged.push((format!("a stranger's {header}"), stranger.sign(&header, &of.claims())));
    }
    let good = of.good();
    let (start, signature) = good.rsplit_once('.').expect("three parts");
    let (header, payload) = start.split_once('.').expect("three parts");
    let mut more = of.claims();
    more["exp"] = json!(more["exp"].as_i64().expect("a time") + 1);
    forged.push(("another payload".into(), format!("{header}.{}.{signature}", base64(more.to_string()))));
    let other = base64(json!({ "alg": alg }).to_string());
    forged.push(("another header".into(), format!("{other}.{payload}.{signature}")));
    let zeros = base64(vec![0; URL_SAFE_NO_PAD.decode(signature).expect("base64url").len()]);
    forged.push(("a signature of zeros".into(), format!("{start}.{zeros}")));
    forged.push(("no signature".into(), format!("{start}.")));
    let decoded = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
    for (what, text) in [
        ("padding", format!("{start}.{}", URL_SAFE.encode(decoded(signature)))),
        ("a space", format!("{good} ")),
        ("a line end", format!("{good}\n")),
        ("the other alphabet", format!("{header}.{}.{signature}", STANDARD.encode(decoded(payload)))),
        ("four parts", format!("{good}.{signature}")),
        ("two parts", start.to_owned()),
        ("in quotes", format!("\"{good}\"")),
        ("nothing but dots", "..".to_owned()),
    ] {
        if text != good {
            forged.push((what.to_owned(), text));
        }
    }
    let mut long = of.claims();
    long["filler"] = json!("x".repeat(8_192));
    forged.push(("too long".into(), of.key.sign(&of.header(), &long)));
}

fn odd_json(of: &Trusting, forged: &mut Forged) {
    let (alg, kid) = (of.key.alg, of.key.kid());
    let payload = of.claims().to_string();
    for header in [
        format!(r#"{{"alg":"none","alg":"{alg}"}}"#),
        format!(r#"{{"\u0061lg":"none","alg":"{alg}"}}"#),
        format!(r#"{{"alg":"{alg}","kid":"a","kid":"{kid}"}}"#),
        format!(r#"{{"alg":"{alg}","crit":["x"],"x":1}}"#),
        format!(r#"{{"alg":"{alg}","b64":false,"crit":["b64"]}}"#),
        format!(r#"["{alg}"]"#),
        format!(r#"{{"alg":"{alg}"}}{{}}"#),
        format!(r#"{{"alg":"{alg}","typ":"at+jwt"}}"#),
        format!(r#"{{"alg":"{alg}","typ":7}}"#),
    ] {
        forged.push((header.clone(), of.key.sign_texts(&header, &payload)));
    }
    let header = of.header().to_string();
    for name in ["iss", "sub", "aud", "exp", "other"] {
        let value = if name == "other" { json!("x") } else { of.claims()[name].clone() };
        // The very same again is twice, too.
        let twice = payload.replacen('{', &format!(r#"{{"{name}":{value},"{name}":{value},"#), 1);
        forged.push((format!("{name} twice"), of.key.sign_texts(&header, &twice)));
        let escaped = format!(r#"{{"\u{:04x}{}":"evil","#, name.as_bytes()[0], &name[1..]);
        let twice = payload.replacen('{', &escaped, 1).replacen('{', &format!(r#"{{"{name}":{value},"#), 1);
        forged.push((format!("{name} twice, once escaped"), of.key.sign_texts(&header, &twice)));
    }
    for deep in [r#"{"deep":{"a":1,"a":1},"#, r#"{"deep":[{"a":1,"a":1}],"#] {
        forged.push((deep.to_owned(), of.key.sign_texts(&header, &payload.replacen('{', deep, 1))));
    }
    for text in ["[]", "null", "{}", "", "\"sub\"", "{\"sub\":"] {
        forged.push((format!("claims {text:?}"), of.key.sign_texts(&header, text)));
    }
    forged.push(("a token in a token".into(), of.key.sign_texts(&header, &of.good())));
    let nested = "[".repeat(4_000);
    forged.push(("very deep".into(), of.key.sign_texts(&header, &nested)));
}

#[tokio::test]
async fn none_of_hundreds_of_forged_tokens_lets_anybody_in() {
    for (kind, alg) in [(github(), "RS256"), (kubernetes(), "ES256"), (spiffe(), "EdDSA")] {
        let trusting = Trusting::new(kind, alg).await;
        let mut forged = Vec::new();
        confused_algorithms(&trusting, &mut forged);
        strangers(&trusting, &mut forged);
        odd_json(&trusting, &mut forged);
        // Our own tokens are nobody's word but ours, and an account's own assertion is not by an issuer.
        let access = trusting.ask(&trusting.good()).await.expect(200).text("access_token");
        forged.push(("our own access token".into(), access));
        let own = trusting
            .key
            .sign(&trusting.key.header(), &claims(&trusting.account.client_id, "https://id.example"));
        forged.push(("the issuer as the client".into(), own));
        let different: BTreeSet<&String> = forged.iter().map(|(_, token)| token).collect();
        assert!(different.len() > 60, "{}", different.len());
        let (mut clients, mut grants) = (Vec::new(), Vec::new());
        for (what, token) in forged {
            clients.push((what.clone(), trusting.ask(&token).await));
            grants.push((what, trusting.grant(&token).await));
        }
        assert_alike(&clients, 401, "invalid_client");
        assert_alike(&grants, 400, "invalid_grant");
        trusting.ask(&trusting.good()).await.expect(200);
        trusting.grant(&trusting.good()).await.expect(200);
    }
}

/// One that is trusted for some accounts is not trusted for what another says, not even under the same `kid`.
#[tokio::test]
async fn an_issuer_speaks_for_itself_alone() {
    let trusting = Trusting::new(github(), "EdDSA").await;
    let scene = &trusting.scene;
    let other = ClientKey::new("EdDSA");
    let mut jwk = other.jwk.clone();
    jwk["kid"] = json!(trusting.key.kid());
    let kind = generic();
    let body = json!({ "name": "other", "issuer": kind.issuer, "kind": "generic", "keys": [jwk] });
    let other_id = scene.post("trusted-issuers", body).await.expect(201).text("id");
    let rules = json!([
        { "issuer_id": trusting.issuer_id, "claims": trusting.kind.rule },
        { "issuer_id": other_id, "claims": kind.rule },
    ]);
    put_rules(scene, &trusting.account, &rules).await.expect(200);
    let signed = |change: Value| {
        let mut claims = trusting.claims();
        crate::support::workload::merge(&mut claims, &change);
        other.sign(&trusting.header(), &claims)
    };
    let answers = [
        ("in the other's name".to_owned(), trusting.ask(&signed(json!({}))).await),
        ("the other's subject".to_owned(), trusting.ask(&signed(json!({ "iss": kind.issuer }))).await),
    ];
    assert_alike(&answers, 401, "invalid_client");
    trusting.ask(&signed(json!({ "iss": kind.issuer, "sub": kind.claims["sub"] }))).await.expect(200);
    trusting.ask(&trusting.good()).await.expect(200);
}

/// And what is trusted opens nothing by itself.
#[tokio::test]
async fn rfc_8725_section_3_12_a_workload_s_token_opens_nothing() {
    let trusting = Trusting::new(github(), "RS256").await;
    trusting.scene.client.whoami(&trusting.good()).await.expect(401);
    let mut header = trusting.header();
    header["typ"] = json!("at+jwt");
    trusting.scene.client.whoami(&trusting.key.sign(&header, &trusting.claims())).await.expect(401);
}
