//! What every test stands on.

pub mod client;
pub mod contract;
pub mod scene;
pub mod server;
pub mod stores;
