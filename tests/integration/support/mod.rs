//! What every test stands on.

pub mod about_token;
pub mod certificate;
pub mod client;
pub mod client_key;
pub mod contract;
pub mod elsewhere;
pub mod events;
pub mod exchange;
pub mod forge;
pub mod forged;
pub mod issuer_key;
pub mod keys;
#[path = "../../stage/proxy/mod.rs"]
#[allow(dead_code, reason = "the fault suite uses all of it")]
pub mod link;
pub mod metrics;
pub mod own_key;
pub mod possession;
pub mod process;
pub mod proxy;
pub mod raw;
pub mod read_token;
pub mod refused;
pub mod scene;
pub mod server;
pub mod status_list;
pub mod stores;
pub mod workload;
