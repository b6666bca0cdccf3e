//! Who acts for the subject of a token (RFC 8693 §4.1): a chain, the actor of now outside, whoever acted before inside.
//!
//! Each is named together with what it proved itself by, so that a token dies with any of them.

use serde::{Deserialize, Serialize};

use crate::domain::credential_id::CredentialId;

/// The most actors in one chain. Each is one more record to be judged at every request.
pub const MAX_ACTORS: usize = 3;

/// One actor, and the one before it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Actor {
    /// Its `client_id`.
    pub sub: String,
    /// What it proved itself by.
    pub credential_id: CredentialId,
    /// Who acted before it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub act: Option<Box<Self>>,
}

/// A chain of actors, the latest first.
#[derive(Clone, Debug)]
pub struct Actors<'a>(Option<&'a Actor>);

impl<'a> From<Option<&'a Actor>> for Actors<'a> {
    fn from(latest: Option<&'a Actor>) -> Self {
        Self(latest)
    }
}

impl<'a> Iterator for Actors<'a> {
    type Item = &'a Actor;

    fn next(&mut self) -> Option<&'a Actor> {
        let actor = self.0?;
        self.0 = actor.act.as_deref();
        Some(actor)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::token::claims::AccessClaims;
    use crate::token::rejected::Rejected;
    use crate::token::tests::claims;

    fn actor(sub: &str, act: Option<Actor>) -> Actor {
        let credential_id = "0123456789ABCDef".parse().expect("an id");
        Actor { sub: sub.to_owned(), credential_id, act: act.map(Box::new) }
    }

    #[test]
    fn rfc_8693_section_4_1_the_actor_of_now_is_outside_and_those_before_are_inside() {
        let mut claims = claims();
        assert_eq!(claims.actors().count(), 0);
        claims.act = Some(actor("b", Some(actor("a", None))));
        assert_eq!(claims.actors().map(|actor| &*actor.sub).collect::<Vec<_>>(), ["b", "a"]);
        let written = serde_json::to_value(&claims).expect("JSON");
        let id = "0123456789ABCDef";
        let inner = json!({ "sub": "a", "credential_id": id });
        assert_eq!(written["act"], json!({ "sub": "b", "credential_id": id, "act": inner }));
        assert_eq!(AccessClaims::from_payload(written.to_string().as_bytes()), Ok(claims));
    }

    #[test]
    fn an_actor_is_whole_and_says_nothing_else() {
        let whole = json!({ "sub": "a", "credential_id": "0123456789ABCDef" });
        let read = |act: &serde_json::Value| {
            let mut payload = serde_json::to_value(claims()).expect("JSON");
            payload["act"] = act.clone();
            AccessClaims::from_payload(payload.to_string().as_bytes())
        };
        assert!(read(&whole).is_ok());
        for name in ["sub", "credential_id"] {
            let mut without = whole.clone();
            without.as_object_mut().expect("an object").remove(name);
            assert_eq!(read(&without), Err(Rejected::Claims), "{name}");
        }
        let mut more = whole.clone();
        more["exp"] = json!(1);
        for bad in [more, json!([]), json!("a"), json!([whole])] {
            assert_eq!(read(&bad), Err(Rejected::Claims), "{bad}");
        }
    }
}
