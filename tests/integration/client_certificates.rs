//! The certificates of an account: a document that is put, read and taken away, by who may do so.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::certificate::{Shown, account_known_by, certificates_path, ending_in, named, put};
use crate::support::scene::Scene;
use crate::support::stores::run_sql;

#[tokio::test]
async fn every_account_has_a_document_that_says_nothing_until_somebody_changes_it() {
    let scene = Scene::new().await;
    let account = scene.account("certificates").await;
    let path = certificates_path(&account);
    let empty = scene.get(&path).await.expect(200);
    assert_eq!((&empty.json()["certificates"], empty.header("etag")), (&json!([]), "\"0\""));
    assert_eq!(empty.json()["tls_client_certificate_bound_access_tokens"], false);
    let name = json!({ "tls_client_auth_subject_dn": "CN=build agent,O=Acme" });
    let filled = scene.send(Method::PUT, &path, &[("if-match", "\"0\"")], Some(&name)).await.expect(200);
    assert_eq!((filled.header("etag"), filled.json().get("receipt")), ("\"1\"", None));
    let shown = scene.get(&path).await.expect(200).json();
    assert_eq!(shown, filled.json());
    assert_eq!(shown["tls_client_auth_subject_dn"], "CN=build agent,O=Acme");
    assert_eq!(shown["tls_client_certificate_bound_access_tokens"], true, "unless told otherwise");
    let (one, two) = (Shown::self_signed(&named("one")), Shown::self_signed(&named("two")));
    let own = json!({ "certificates": [one.pem(), two.pem()] });
    let changed = put(&scene, &account, &own).await.expect(200).json();
    assert!(changed["receipt"].is_object(), "the name is gone");
    assert_eq!(
        (&changed["credential_id"], &changed["tls_client_auth_subject_dn"]),
        (&json!(null), &json!(null))
    );
    assert_eq!(changed["certificates"][0]["credential_id"], format!("x5t:{}", one.x5t_s256()));
    assert_eq!(changed["certificates"][1]["subject"], "CN=two");
    let fewer = put(&scene, &account, &json!({ "certificates": [two.pem()] })).await.expect(200);
    assert!(fewer.json()["receipt"].is_object());
    let admin = Some([&scene.admin.client_id; 3].map(String::as_str).join(","));
    assert_eq!(scene.audited("client_certificates.replace", &account.id).await, admin);
}

#[tokio::test]
async fn it_is_changed_only_by_who_has_seen_the_latest() {
    let scene = Scene::new().await;
    let shown = Shown::self_signed(&named("seen"));
    let own = json!({ "certificates": [shown.pem()] });
    let account = account_known_by(&scene, "seen", &own).await;
    let path = certificates_path(&account);
    let other = json!({ "tls_client_auth_san_dns": "a.example" });
    assert_eq!(
        scene.send(Method::PUT, &path, &[], Some(&other)).await.expect(428).code(),
        "precondition_required"
    );
    for stale in ["\"0\"", "\"2\"", "W/\"1\""] {
        let headers = [("if-match", stale)];
        assert_eq!(
            scene.send(Method::PUT, &path, &headers, Some(&other)).await.expect(412).code(),
            "stale_etag"
        );
        assert_eq!(scene.send(Method::DELETE, &path, &headers, None).await.expect(412).code(), "stale_etag");
    }
    let gone = scene.send(Method::DELETE, &path, &[("if-match", "\"1\"")], None).await.expect(200);
    assert_eq!((&gone.json()["certificates"], gone.header("etag")), (&json!([]), "\"2\""));
    assert!(gone.json()["receipt"]["effective_everywhere_at"].is_string());
    let again = scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    assert_eq!(again.json(), gone.json(), "who asks again waits for the same");
    let admin = Some(scene.admin.client_id.clone());
    assert_eq!(scene.audited("client_certificates.delete", &account.id).await, admin, "once");
}

#[tokio::test]
async fn what_could_prove_nobody_or_gives_a_key_away_is_refused() {
    let scene = Scene::new().await;
    let account = scene.account("refused").await;
    let shown = Shown::self_signed(&named("mine"));
    let expired = Shown::self_signed(&ending_in(named("over"), -60));
    let with_key = format!("{}-----BEGIN PRIVATE KEY-----\nAQAB\n-----END PRIVATE KEY-----\n", shown.pem());
    let both = format!("{}{}", shown.pem(), expired.pem());
    let certificates = |texts: &[&str]| json!({ "certificates": texts });
    let table: Vec<(&str, Value, &str)> = vec![
        ("nothing", json!({}), "one_certificate_name"),
        (
            "nothing bound",
            json!({ "tls_client_certificate_bound_access_tokens": false }),
            "one_certificate_name",
        ),
        (
            "two names",
            json!({ "tls_client_auth_san_dns": "a.example", "tls_client_auth_san_ip": "192.0.2.7" }),
            "one_certificate_name",
        ),
        (
            "a name and a certificate",
            json!({ "tls_client_auth_san_dns": "a.example", "certificates": [shown.pem()] }),
            "one_certificate_name",
        ),
        ("no DN", json!({ "tls_client_auth_subject_dn": "build agent" }), "invalid_certificate_name"),
        ("no address", json!({ "tls_client_auth_san_ip": "a.example" }), "invalid_certificate_name"),
        ("a text", certificates(&["mine"]), "invalid_certificate"),
        ("two in one", certificates(&[&both]), "invalid_certificate"),
        ("one twice", certificates(&[&shown.pem(), &shown.pem()]), "invalid_certificate"),
        ("expired", certificates(&[&expired.pem()]), "invalid_certificate"),
        ("with its key", certificates(&[&with_key]), "private_key"),
    ];
    for (what, body, code) in table {
        assert_eq!(put(&scene, &account, &body).await.expect(422).code(), code, "{what}");
    }
    for body in
        [json!({ "certificates": [] }), json!({ "certificates": vec!["x"; 11] }), json!({ "unknown": 1 })]
    {
        assert_eq!(put(&scene, &account, &body).await.expect(400).code(), "invalid_body", "{body}");
    }
    assert_eq!(scene.get(&certificates_path(&account)).await.expect(200).header("etag"), "\"0\"");
}

#[tokio::test]
async fn nobody_gives_a_certificate_to_who_holds_more_and_other_tenants_see_nothing() {
    let scene = Scene::new().await;
    let (less, more) = (
        scene.holder("holds less", &["iam.service_account"], json!("all")).await,
        scene.holder("holds more", &["iam.service_account", "iam.license"], json!("all")).await,
    );
    let token = scene.token_of(&less, &[]).await;
    let body = json!({ "tls_client_auth_san_dns": "a.example" });
    let path = scene.path(&certificates_path(&more));
    let request = || scene.client.request(Method::PUT, &path).header("if-match", "*").json(&body);
    let refused = scene.client.send(request().bearer_auth(&token)).await.expect(403);
    assert_eq!(refused.code(), "cannot_grant");
    let child = scene.child("below").await;
    let local = scene.administrator_of(&child).await;
    let token = scene.token_of(&local, &[]).await;
    scene.client.send(request().bearer_auth(&token)).await.expect(404);
    scene.client.call(&token, Method::GET, &path, None).await.expect(404);
}

/// The second line of defence, and its twin.
#[tokio::test]
async fn whoever_sees_one_tenant_sees_no_other_ones_certificates() {
    let scene = Scene::new().await;
    let shown = Shown::self_signed(&named("one"));
    account_known_by(&scene, "has one", &json!({ "certificates": [shown.pem()] })).await;
    let below = scene.child("below").await;
    let (client, connection) =
        tokio_postgres::connect(&scene.database_url, tokio_postgres::NoTls).await.expect("Postgres answers");
    tokio::spawn(connection);
    let seen = async |tsg_id: &str| {
        let role = format!("SET carnet.tsg_id = '{tsg_id}'; SET ROLE carnet_tenant");
        client.batch_execute(&role).await.expect("a role");
        let count = client.query_one("SELECT count(*) FROM client_certificates", &[]).await.expect("a count");
        count.get::<_, i64>(0)
    };
    assert_eq!((seen(&scene.tsg_id).await, seen(&below).await), (1, 0));
    assert!(client.batch_execute("DELETE FROM client_certificates").await.is_err());
    run_sql(&scene.database_url, "ALTER TABLE client_certificates DISABLE ROW LEVEL SECURITY").await;
    assert_eq!(seen(&below).await, 1);
}

#[tokio::test]
async fn it_goes_with_its_account() {
    let scene = Scene::new().await;
    let shown = Shown::self_signed(&named("goes"));
    let account = account_known_by(&scene, "goes", &json!({ "certificates": [shown.pem()] })).await;
    let path = format!("service-accounts/{}", account.id);
    scene.send(Method::DELETE, &path, &[("if-match", "*")], None).await.expect(200);
    let admin = Some(scene.admin.client_id.clone());
    assert_eq!(scene.audited("client_certificates.delete", &account.id).await, admin);
    scene.get(&certificates_path(&account)).await.expect(404);
}
