//! A token request as it comes: which grant, who asks, for what, and what it has shown besides.

use std::sync::Arc;

use super::{Grant, PresentedAssertion, PresentedSecret};
use crate::domain::origin::Origin;
use crate::token::certificate::ClientCertificate;
use crate::token::dpop::Proved;

/// A token request as it was sent (RFC 6749 §4.4.2), with whatever the client proves itself by.
#[derive(Clone, Copy, Debug)]
pub struct TokenRequest<'a> {
    /// By which grant, and what that one takes.
    pub grant: Grant<'a>,
    /// Who asks, and what it proves itself by.
    pub client: &'a Presented,
    /// What is asked for (RFC 6749 §3.3).
    pub scope: Option<&'a str>,
    /// For which API (RFC 8707 §2).
    pub resource: Option<&'a str>,
    /// The certificate that the client has shown, whatever it proves itself by (RFC 8705 §3).
    pub certificate: Option<&'a ClientCertificate>,
    /// The proof of possession, if one was sent (RFC 9449 §5).
    pub dpop: Option<Proved<'a>>,
    /// From where.
    pub from: Origin,
}

/// What a client proves itself by, as it was sent.
#[derive(Debug)]
pub enum Presented {
    /// RFC 6749 §2.3.1.
    Secret {
        /// Who it says it is.
        client_id: String,
        /// The secret.
        client_secret: PresentedSecret,
    },
    /// RFC 7523 §2.2.
    Assertion {
        /// Who it says it is, when it says so beside the assertion.
        client_id: Option<String>,
        /// The JWT.
        assertion: PresentedAssertion,
    },
    /// RFC 8705 §2.
    Certificate {
        /// Who it says it is.
        client_id: String,
        /// What it has shown.
        certificate: Arc<ClientCertificate>,
    },
    /// Nothing: some grants do without.
    Nothing {
        /// Who it says it is.
        client_id: Option<String>,
    },
}

impl Presented {
    /// Who it says it is, when it says so outside of what proves it.
    pub(super) fn client_id(&self) -> Option<&str> {
        match self {
            Self::Secret { client_id, .. } | Self::Certificate { client_id, .. } => Some(client_id),
            Self::Assertion { client_id, .. } | Self::Nothing { client_id } => client_id.as_deref(),
        }
    }
}
