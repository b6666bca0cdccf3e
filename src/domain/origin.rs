//! Where a request comes from, as far as anybody knows.

use std::net::IpAddr;

/// The address of the client, and who is connected.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub struct Origin {
    /// The client's; nothing where nobody knows it.
    pub address: Option<IpAddr>,
    /// Of whoever is connected, whatever it says of itself or of others. There always is one with a real connection.
    pub peer: Option<IpAddr>,
}

impl Origin {
    /// Who is held to account: the client, or who is connected when nobody knows the client. Nobody chooses that.
    #[must_use]
    pub fn answerable(&self) -> Option<IpAddr> {
        self.address.or(self.peer)
    }
}
