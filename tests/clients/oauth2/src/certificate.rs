//! An account that proves itself by a certificate (RFC 8705): the crate sends the name of the client, the connection the rest.

use std::time::{SystemTime, UNIX_EPOCH};

use oauth2::basic::BasicErrorResponseType;
use oauth2::http::Method;
use oauth2::{AuthType, ClientId};
use serde_json::json;

use crate::Test;
use crate::wire::Wire;

pub fn walk(test: &Test, bare: &Wire, holder: &Wire) {
    let (manager, _) = test.ask(bare, &AuthType::BasicAuth, Some(&test.secret), &[], &[]).expect("a token");
    let accounts = format!("{}/v1/tenants/{}/service-accounts", test.url, test.tsg_id);
    #[expect(clippy::disallowed_methods, reason = "a name that nobody has had")]
    let now = SystemTime::now().duration_since(UNIX_EPOCH).expect("a time").as_micros();
    let named = json!({ "name": format!("oauth2 {now}") });
    let (status, account) = bare.write(Method::POST, &accounts, &manager, &named);
    assert_eq!(status, 201, "{account}");
    let account_url = format!("{accounts}/{}", account["id"].as_str().expect("an id"));
    let name = json!({ "tls_client_auth_subject_dn": "CN=demo" });
    let put = bare.write(Method::PUT, &format!("{account_url}/certificates"), &manager, &name);
    assert_eq!(put.0, 200, "{}", put.1);

    let mut own = test.clone();
    account["client_id"].as_str().expect("a client").clone_into(&mut own.id);
    let (token, _) = own.ask(holder, &AuthType::RequestBody, None, &[], &[]).expect("a token");
    let refused = own.ask(bare, &AuthType::RequestBody, None, &[], &[]);
    assert_eq!(refused, Err(BasicErrorResponseType::InvalidClient), "there is no certificate");
    let whoami = format!("{}/v1/whoami", test.url);
    let (status, caller) = holder.get(&whoami, Some(&token));
    assert_eq!((status, &caller["client_id"]), (200, &json!(ClientId::new(own.id))));
    assert_eq!(bare.get(&whoami, Some(&token)).0, 401, "it is bound to a certificate");

    let (status, _) = bare.write(Method::DELETE, &account_url, &manager, &json!({}));
    assert_eq!(status, 200);
    assert_eq!(holder.get(&whoami, Some(&token)).0, 401, "the account is gone");
}
