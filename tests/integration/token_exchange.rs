//! Token exchange (RFC 8693): what is asked, what is answered, and that nothing ever becomes wider.

use reqwest::Method;
use serde_json::json;

use crate::support::client_key::{ClientKey, JWT_BEARER, account_with, ask};
use crate::support::exchange::{
    ACCESS_TOKEN, GRANT, actors_of, ending, exchange, exchange_form, named, pair,
};
use crate::support::read_token::read_token;
use crate::support::refused::assert_refused;
use crate::support::scene::{Account, Scene};

const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";
const PRODUCT: &str = "urn:carnet:product:prisma_access";

#[tokio::test]
async fn rfc_8693_section_2_1_the_subject_token_comes_with_its_type() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let ask = async |form: &[(&str, &str)]| exchange_form(&scene.client, &scene.admin, form).await;
    for kind in [ACCESS_TOKEN, JWT] {
        ask(&[("subject_token", &token), ("subject_token_type", kind)]).await.expect(200);
    }
    let missing: [&[(&str, &str)]; 4] = [
        &[],
        &[("subject_token", &token)],
        &[("subject_token_type", ACCESS_TOKEN)],
        &[("subject_token", ""), ("subject_token_type", ACCESS_TOKEN)],
    ];
    for form in missing {
        assert_refused(&ask(form).await, 400, "invalid_request", &format!("{form:?}"));
    }
    for kind in ["refresh_token", "id_token", "saml1", "saml2"] {
        let kind = format!("urn:ietf:params:oauth:token-type:{kind}");
        let answer = ask(&[("subject_token", &token), ("subject_token_type", &kind)]).await;
        assert_refused(&answer, 400, "invalid_request", &kind);
    }
    let upper = ACCESS_TOKEN.to_uppercase();
    let answer = ask(&[("subject_token", &token), ("subject_token_type", &upper)]).await;
    assert_refused(&answer, 400, "invalid_request", "names are compared byte for byte");
}

#[tokio::test]
async fn rfc_8693_section_2_1_the_actor_token_is_the_client_s_own_and_comes_with_its_type() {
    let scene = Scene::new().await;
    let (subject, actor) = pair(&scene).await;
    let (theirs, own) = (scene.token_of(&subject, &[]).await, scene.token_of(&actor, &[]).await);
    let ask = async |more: &[(&str, &str)]| exchange(&scene.client, &actor, &theirs, more).await;
    let both = |token| [("actor_token", token), ("actor_token_type", ACCESS_TOKEN)];
    let acted = ask(&both(&own)).await.expect(200).text("access_token");
    assert_eq!(actors_of(&scene.client, &acted).await, [named(&actor)]);
    ask(&[("actor_token", &own), ("actor_token_type", JWT)]).await.expect(200);
    let other = scene.token_of(&scene.account("other").await, &[]).await;
    for (what, form) in [
        ("no type", vec![("actor_token", &*own)]),
        ("a type alone", vec![("actor_token_type", ACCESS_TOKEN)]),
        (
            "another type",
            vec![("actor_token", &own), ("actor_token_type", "urn:ietf:params:oauth:token-type:id_token")],
        ),
        ("the subject's", both(&theirs).to_vec()),
        ("another account's", both(&other).to_vec()),
        ("a delegated one", both(&acted).to_vec()),
        ("none", both("e30.e30.e30").to_vec()),
    ] {
        assert_refused(&ask(&form).await, 400, "invalid_request", what);
    }
}

#[tokio::test]
async fn rfc_8693_section_2_1_only_access_tokens_are_issued() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let ask = async |kind: &str| {
        exchange(&scene.client, &scene.admin, &token, &[("requested_token_type", kind)]).await
    };
    ask(ACCESS_TOKEN).await.expect(200);
    for kind in [JWT, "urn:ietf:params:oauth:token-type:refresh_token", "access_token", "x"] {
        assert_refused(&ask(kind).await, 400, "invalid_request", kind);
    }
}

#[tokio::test]
async fn rfc_8693_section_2_1_what_comes_twice_is_refused() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let url = scene.client.url.clone();
    let types = [("actor_token", &*token), ("actor_token_type", ACCESS_TOKEN)];
    for (name, value, error) in [
        ("subject_token", &*token, "invalid_request"),
        ("subject_token_type", ACCESS_TOKEN, "invalid_request"),
        ("actor_token", &token, "invalid_request"),
        ("actor_token_type", ACCESS_TOKEN, "invalid_request"),
        ("requested_token_type", ACCESS_TOKEN, "invalid_request"),
        ("scope", "openid", "invalid_request"),
        // Several may be named; one token cannot be for all of them.
        ("audience", &url, "invalid_target"),
        ("resource", &url, "invalid_target"),
    ] {
        let mut more = types.to_vec();
        more.push((name, value));
        if !name.starts_with("subject") && !name.starts_with("actor") {
            more.push((name, value));
        }
        let answer = exchange(&scene.client, &scene.admin, &token, &more).await;
        assert_refused(&answer, 400, error, name);
    }
    exchange(&scene.client, &scene.admin, &token, &types).await.expect(200);
}

#[tokio::test]
async fn rfc_8693_section_2_1_the_client_authenticates() {
    let scene = Scene::new().await;
    let token = scene.admin_token().await;
    let wrong = Account { client_secret: format!("{}x", scene.admin.client_secret), ..scene.admin.clone() };
    for (what, subject) in [("a good token", &*token), ("no token", "e30.e30.e30")] {
        let answer = exchange(&scene.client, &wrong, subject, &[]).await;
        assert_refused(&answer, 401, "invalid_client", what);
    }
    let form = [("grant_type", GRANT), ("subject_token", &token), ("subject_token_type", ACCESS_TOKEN)];
    let bare = scene.client.request(Method::POST, "/oauth2/token").form(&form);
    assert_refused(&scene.client.send(bare).await, 401, "invalid_client", "nobody");
}

#[tokio::test]
async fn rfc_8693_section_2_1_a_client_may_prove_itself_by_a_key_and_its_assertion_is_used_up() {
    let scene = Scene::new().await;
    let key = ClientKey::new("EdDSA");
    let account = account_with(&scene, "asserts", &[&key]).await;
    let assertion = || key.assertion(&account.client_id, &scene.client.url);
    let token = ask(&scene.client, &assertion()).await.expect(200).text("access_token");
    let assertion = assertion();
    let form = [
        ("grant_type", GRANT),
        ("subject_token", &*token),
        ("subject_token_type", ACCESS_TOKEN),
        ("client_assertion_type", JWT_BEARER),
        ("client_assertion", &*assertion),
    ];
    let send =
        async || scene.client.send(scene.client.request(Method::POST, "/oauth2/token").form(&form)).await;
    let narrowed = send().await.expect(200).text("access_token");
    assert_eq!(actors_of(&scene.client, &narrowed).await, [], "it is its own, by the same key");
    assert_refused(&send().await, 401, "invalid_client", "a second use");
}

#[tokio::test]
async fn rfc_8693_section_2_2_1_the_answer_says_what_was_issued() {
    let scene = Scene::new().await;
    let token = scene.token_of(&scene.admin, &[("scope", "openid email")]).await;
    let answer = exchange(&scene.client, &scene.admin, &token, &[]).await.expect(200);
    assert_eq!(
        (answer.header("content-type"), answer.header("cache-control")),
        ("application/json", "no-store")
    );
    let body = answer.json();
    assert_eq!(body["issued_token_type"], ACCESS_TOKEN);
    assert_eq!(body["token_type"], "Bearer");
    assert_eq!(body["scope"], "openid email");
    assert!(body["expires_in"].as_i64().is_some_and(|seconds| (1..=900).contains(&seconds)), "{body}");
    assert_eq!(body.as_object().map(serde_json::Map::len), Some(5), "and nothing else: {body}");
    let plain = scene.client.token(&scene.admin.client_id, &scene.admin.client_secret, &[]).await.expect(200);
    assert_eq!(plain.json().get("issued_token_type"), None, "only where something was exchanged");
}

#[tokio::test]
async fn rfc_8693_section_2_2_1_the_new_token_is_like_the_old_one_and_ends_with_it() {
    let scene = Scene::new().await;
    let old = scene.admin_token().await;
    tokio::time::sleep(std::time::Duration::from_millis(1_100)).await;
    let new = exchange(&scene.client, &scene.admin, &old, &[]).await.expect(200).text("access_token");
    let (old, new) = (
        read_token(&scene.client, &old, &scene.client.url).await,
        read_token(&scene.client, &new, &scene.client.url).await,
    );
    assert_eq!(new.header.typ.as_deref(), Some("at+jwt"));
    let mut expected = old.claims.clone();
    for changed in ["iat", "jti"] {
        assert_ne!(new.claims[changed], old.claims[changed], "{changed}");
        expected[changed] = new.claims[changed].clone();
    }
    expected["exchanged_from"] = serde_json::json!([old.claims["jti"]]);
    assert_eq!(new.claims, expected, "its end included");
}

/// By what is there: the audience of a token, its key and its tenant are the subject's.
#[tokio::test]
async fn rfc_8693_section_2_1_resource_and_audience_may_name_what_the_token_is_for_and_nothing_else() {
    let scene = Scene::new().await;
    let account = scene.entitled_account("aims").await;
    let key = scene.key("prisma_access", &account).await;
    scene.until(&key, "valid").await;
    let url = scene.client.url.clone();
    for (own, other) in [(PRODUCT, &*url), (&*url, PRODUCT)] {
        let token = scene.token_of(&account, &[("resource", own)]).await;
        let ask = async |more: &[(&str, &str)]| exchange(&scene.client, &account, &token, more).await;
        for more in [
            vec![],
            vec![("resource", own)],
            vec![("audience", own)],
            vec![("resource", own), ("audience", own)],
        ] {
            let new = ask(&more).await.expect(200).text("access_token");
            let claims = read_token(&scene.client, &new, own).await.claims;
            assert_eq!(claims["aud"], json!(own), "{more:?}");
            assert_eq!(claims["api_key_id"].as_str(), (own == PRODUCT).then_some(&*key), "{more:?}");
        }
        let fragment = format!("{own}#x");
        for more in [
            vec![("resource", other)],
            vec![("audience", other)],
            vec![("resource", own), ("audience", other)],
            vec![("resource", &fragment)],
            vec![("resource", "/relative")],
            vec![("audience", &account.client_id)],
        ] {
            assert_refused(&ask(&more).await, 400, "invalid_target", &format!("{own}: {more:?}"));
        }
    }
    // Twin: what was refused above is there for who asks for itself.
    scene.token_of(&account, &[("resource", PRODUCT)]).await;
}

#[tokio::test]
async fn rfc_8693_section_2_1_a_scope_names_a_tenant_further_down_never_sideways_or_up() {
    let scene = Scene::new().await;
    let (left, right) = (scene.child("left").await, scene.child("right").await);
    let below = scene.tenant_below(&left, "below left").await;
    let scope = |tsg_id: &str| format!("tsg_id:{tsg_id}");
    let token = scene.token_of(&scene.admin, &[("scope", &scope(&left))]).await;
    let ask = async |token: &str, tsg_id: &str| {
        exchange(&scene.client, &scene.admin, token, &[("scope", &scope(tsg_id))]).await
    };
    for tsg_id in [&left, &below] {
        let new = ask(&token, tsg_id).await.expect(200);
        assert_eq!(new.text("scope"), scope(tsg_id));
        let new = new.text("access_token");
        assert_eq!(scene.client.whoami(&new).await.expect(200).text("tsg_id"), *tsg_id);
        let roles = |tsg_id: &str| format!("/v1/tenants/{tsg_id}/roles");
        scene.client.call(&new, Method::GET, &roles(tsg_id), None).await.expect(200);
        scene.client.call(&new, Method::GET, &roles(&scene.tsg_id), None).await.expect(404);
        for wider in [&scene.tsg_id, &right] {
            assert_refused(&ask(&new, wider).await, 400, "invalid_scope", wider);
        }
    }
    let deepest = ask(&token, &below).await.expect(200).text("access_token");
    for wider in [&scene.tsg_id, &right, &left, &"9999999999".to_owned()] {
        assert_refused(&ask(&deepest, wider).await, 400, "invalid_scope", wider);
    }
    // Twin: the account itself may go there.
    for tsg_id in [&scene.tsg_id, &right] {
        scene.token_of(&scene.admin, &[("scope", &scope(tsg_id))]).await;
    }
}

#[tokio::test]
async fn rfc_8693_section_2_1_words_of_a_scope_can_be_left_out_and_not_added() {
    let scene = Scene::new().await;
    let token = scene.token_of(&scene.admin, &[("scope", "openid email")]).await;
    let ask = async |scope: &str| exchange(&scene.client, &scene.admin, &token, &[("scope", scope)]).await;
    for fewer in ["openid", "email", "email openid"] {
        assert_eq!(ask(fewer).await.expect(200).text("scope"), fewer);
    }
    for more in ["profile", "openid profile", "admin", "openid  email"] {
        assert_refused(&ask(more).await, 400, "invalid_scope", more);
    }
}

#[tokio::test]
async fn roles_are_those_of_the_token_that_the_subject_still_holds() {
    let scene = Scene::new().await;
    let account = scene.holder("held", &["iam.read"], json!("all")).await;
    let policies = scene.get("access-policies").await.expect(200).json();
    let policy =
        policies["items"].as_array().expect("items").iter().find(|p| p["principal"] == account.client_id);
    let policy = policy.expect("its policy")["id"].as_str().expect("an id").to_owned();
    let token = scene.token_of(&account, &[]).await;
    let roles = async |token: &str| {
        let new = exchange(&scene.client, &account, token, &[]).await.expect(200).text("access_token");
        scene.client.whoami(&new).await.expect(200).json()["roles"].clone()
    };
    assert_eq!(roles(&token).await, json!(["held role"]));
    let later = json!({ "principal": account.client_id, "role": "superuser", "products": "all" });
    scene.post("access-policies", later).await.expect(201);
    assert_eq!(roles(&token).await, json!(["held role"]), "what was granted since is not in it");
    scene
        .send(Method::DELETE, &format!("access-policies/{policy}"), &[("if-match", "*")], None)
        .await
        .expect(200);
    assert_eq!(roles(&token).await, json!([]), "what is gone is not either");
    assert_eq!(roles(&scene.token_of(&account, &[]).await).await, json!(["superuser"]));
}

#[tokio::test]
async fn it_ends_when_the_first_of_all_ends_that_it_depends_on() {
    let scene = Scene::new().await;
    let (subject, actor) = pair(&scene).await;
    let left = async |by: &Account, token: &str, more: &[(&str, &str)]| {
        let answer = exchange(&scene.client, by, token, more).await.expect(200).json();
        answer["expires_in"].as_i64().expect("seconds")
    };
    let token = scene.token_of(&subject, &[]).await;
    assert!((850..=900).contains(&left(&actor, &token, &[]).await));
    let brief = ending(&scene, &actor, 100).await;
    let own = scene.token_of(&brief, &[]).await;
    assert!(left(&brief, &token, &[]).await <= 100, "the actor's secret");
    let with_token = [("actor_token", &*own), ("actor_token_type", ACCESS_TOKEN)];
    assert!(left(&actor, &token, &with_token).await <= 100, "the actor's token");
    let brief = ending(&scene, &subject, 100).await;
    let token = scene.token_of(&brief, &[]).await;
    assert!(left(&actor, &token, &[]).await <= 100, "the subject's token");
}
