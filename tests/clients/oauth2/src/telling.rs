//! What the crate is told of a token (RFC 7662), and how it takes one back (RFC 7009). It does the latter over TLS only.

use oauth2::basic::{BasicErrorResponseType, BasicRevocationErrorResponse, BasicTokenType};
use oauth2::{
    AccessToken, AuthType, IntrospectionUrl, RequestTokenError, RevocationErrorResponseType, RevocationUrl,
    StandardRevocableToken, TokenIntrospectionResponse as _,
};

use crate::wire::Wire;
use crate::{Test, address};

/// Whether it is active; then it is told who got it, and what for. Otherwise nothing.
fn introspect(
    test: &Test,
    wire: &Wire,
    auth: &AuthType,
    secret: &str,
    token: &str,
) -> Result<bool, BasicErrorResponseType> {
    let url = IntrospectionUrl::new(address(&test.metadata, "introspection_endpoint")).expect("an address");
    let client = test.client(auth, Some(secret)).set_introspection_url(url);
    let token = AccessToken::new(token.to_owned());
    let answer = client.introspect(&token).set_token_type_hint("access_token").request(&|r| wire.send(r));
    let told = match answer {
        Ok(told) => told,
        Err(RequestTokenError::ServerResponse(error)) => return Err(error.error().clone()),
        Err(other) => panic!("{other}"),
    };
    let said = (told.sub(), told.iss(), told.token_type(), told.jti().is_some(), told.exp().is_some());
    if told.active() {
        assert_eq!(said, (Some(&*test.id), Some(&*test.url), Some(&BasicTokenType::Bearer), true, true));
        assert_eq!(told.client_id().map(|id| &***id), Some(&*test.id));
        assert_eq!(told.aud(), Some(&vec![test.url.clone()]));
        assert_eq!(told.scopes().expect("scopes")[0].as_str(), format!("tsg_id:{}", test.tsg_id));
    } else {
        assert_eq!((said, told.client_id(), told.scopes()), ((None, None, None, false, false), None, None));
    }
    Ok(told.active())
}

fn revoke(
    test: &Test,
    wire: &Wire,
    auth: &AuthType,
    secret: &str,
    token: &str,
) -> Result<(), RequestTokenError<ureq::Error, BasicRevocationErrorResponse>> {
    let url = RevocationUrl::new(address(&test.metadata, "revocation_endpoint")).expect("an address");
    let client = test.client(auth, Some(secret)).set_revocation_url(url);
    let token = StandardRevocableToken::from(AccessToken::new(token.to_owned()));
    client.revoke_token(token).expect("it is encrypted").request(&|r| wire.send(r))
}

pub fn walk(test: &Test, wire: &Wire, wrong: &str) {
    for auth in [AuthType::BasicAuth, AuthType::RequestBody] {
        let secret = &*test.secret;
        let (token, _) = test.ask(wire, &auth, Some(secret), &[], &[]).expect("a token");
        let (other, _) = test.ask(wire, &auth, Some(secret), &[], &[]).expect("a token");
        assert_eq!(introspect(test, wire, &auth, secret, &token), Ok(true));
        assert_eq!(introspect(test, wire, &auth, secret, &format!("{token}A")), Ok(false));
        let refused = introspect(test, wire, &auth, wrong, &token);
        assert_eq!(refused, Err(BasicErrorResponseType::InvalidClient));
        if !test.url.starts_with("https:") {
            continue;
        }

        let refused = revoke(test, wire, &auth, wrong, &token).expect_err("a refusal");
        let RequestTokenError::ServerResponse(refused) = refused else { panic!("{refused}") };
        let invalid_client = BasicErrorResponseType::InvalidClient;
        assert_eq!(refused.error(), &RevocationErrorResponseType::Basic(invalid_client));
        assert_eq!(introspect(test, wire, &auth, secret, &token), Ok(true), "it was not revoked");
        for text in [&*token, &*token, "no token at all"] {
            revoke(test, wire, &auth, secret, text).expect("it is gone, or was never there");
        }
        assert_eq!(introspect(test, wire, &auth, secret, &token), Ok(false));
        assert_eq!(introspect(test, wire, &auth, secret, &other), Ok(true), "the other one is not revoked");
        assert_eq!(wire.get(&format!("{}/v1/whoami", test.url), Some(&token)).0, 401);
    }
}
