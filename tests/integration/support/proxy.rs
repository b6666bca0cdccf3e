//! The fault suite's link, in front of the Postgres of a database.

use std::ops::Deref;

use super::link::{self, Address};

/// Carries what comes over TCP to Postgres's socket, until it is dropped.
pub struct Proxy {
    /// The URL of the database behind it.
    pub database_url: String,
    link: link::Proxy,
}

impl Proxy {
    /// In front of the server of this URL.
    pub fn before(database_url: &str) -> Self {
        let database = database_url.rsplit_once('/').expect("the name of a database").1;
        let link = link::Proxy::to(Address::of_database(database_url));
        Self { database_url: link.database_url(database), link }
    }

    /// New connections go to the server of this URL; those of now stay where they are.
    pub fn lead_to(&self, database_url: &str) {
        self.link.lead_to(Address::of_database(database_url));
    }
}

impl Deref for Proxy {
    type Target = link::Proxy;

    fn deref(&self) -> &link::Proxy {
        &self.link
    }
}
