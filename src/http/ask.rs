//! A management request, judged in one order: who asks, about which thing, and what. So a caller
//! without a good token learns nothing of paths or bodies, and nobody's body is read for nothing.

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, web};
use futures_util::FutureExt;
use futures_util::future::LocalBoxFuture;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::bearer;
use super::cursor::Key;
use super::problem::Problem;
use crate::manage::Caller;

/// A request whose caller is known, whose path makes sense, and whose rest has been read.
pub struct Ask<P, R = ()> {
    /// Who.
    pub caller: Caller,
    /// The parameters of the path. One that cannot be an id is one that does not exist: 404.
    pub path: P,
    /// What the handler needs of query, headers and body.
    pub rest: R,
}

/// The id of a thing, in a path: hyphenated and in lower case, as we write it (RFC 9562 §4). The other spellings of a
/// UUID would give one thing several addresses.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct Id(pub Uuid);

impl TryFrom<String> for Id {
    type Error = &'static str;
    fn try_from(text: String) -> Result<Self, Self::Error> {
        Key::read(&text).map(Self).ok_or("an id is a UUID in lower case with hyphens")
    }
}

/// Something that can be read from a request behind its path.
pub trait Rest: Sized + 'static {
    /// Reads it.
    async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem>;
}

impl Rest for () {
    async fn read(_: &HttpRequest, _: &mut Payload) -> Result<Self, Problem> {
        Ok(())
    }
}

impl<A: Rest, B: Rest> Rest for (A, B) {
    async fn read(request: &HttpRequest, payload: &mut Payload) -> Result<Self, Problem> {
        let first = A::read(request, payload).await?;
        Ok((first, B::read(request, payload).await?))
    }
}

impl<P: DeserializeOwned + 'static, R: Rest> FromRequest for Ask<P, R> {
    type Error = Problem;
    type Future = LocalBoxFuture<'static, Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, mut payload) = (request.clone(), payload.take());
        async move {
            let caller = bearer::caller(&request).await?;
            let path = web::Path::<P>::extract(&request).await.map_err(|_| Problem::not_found())?;
            let rest = R::read(&request, &mut payload).await?;
            Ok(Self { caller, path: path.into_inner(), rest })
        }
        .boxed_local()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_spelling() {
        let id = |text: &str| Id::try_from(text.to_owned()).is_ok();
        assert!(id("0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10"));
        for other in [
            "0193F8A2-6C1E-7B11-9D2A-3F1F5E8C7A10",
            "0193f8a26c1e7b119d2a3f1f5e8c7a10",
            "{0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10}",
            "urn:uuid:0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a10",
            "0193f8a2-6c1e-7b11-9d2a-3f1f5e8c7a1",
            "",
        ] {
            assert!(!id(other), "{other}");
        }
    }
}
