//! Which grants there are, and what each of them takes besides what all take. One line here, one in
//! [`TokenIssuer::issue`](super::TokenIssuer::issue), and a file of its own.

use super::TokenError;
use super::jwt_bearer::Bearer;
use super::token_exchange::Exchange;
use crate::token::discovery::{JWT_BEARER, TOKEN_EXCHANGE};

/// A grant, with the parameters that are its own.
#[derive(Clone, Copy, Debug)]
pub enum Grant<'a> {
    /// RFC 6749 §4.4.
    ClientCredentials,
    /// RFC 8693 §2.1.
    TokenExchange(Exchange<'a>),
    /// RFC 7523 §2.1.
    JwtBearer(Bearer<'a>),
}

impl<'a> Grant<'a> {
    /// Reads what a request asks for; `only` gives the one value of a parameter.
    ///
    /// # Errors
    /// [`TokenError::UnsupportedGrantType`], and what the grant itself refuses.
    pub fn read(
        grant_type: &str,
        only: impl Fn(&str) -> Result<Option<&'a str>, TokenError>,
    ) -> Result<Self, TokenError> {
        match grant_type {
            "client_credentials" => Ok(Self::ClientCredentials),
            TOKEN_EXCHANGE => Exchange::read(only).map(Self::TokenExchange),
            JWT_BEARER => Bearer::read(only).map(Self::JwtBearer),
            _ => Err(TokenError::UnsupportedGrantType),
        }
    }
}
