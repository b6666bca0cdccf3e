//! What every test stands on.

pub mod client;
pub mod contract;
pub mod forge;
pub mod metrics;
pub mod proxy;
pub mod raw;
pub mod read_token;
pub mod refused;
pub mod scene;
pub mod server;
pub mod stores;
