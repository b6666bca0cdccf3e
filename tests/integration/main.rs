//! The promises, one module each, kept against the real thing: a real Postgres, a real Redis, and the
//! server driven over HTTP. Every answer that a test sees is held to `openapi.yaml`.

mod contract_of_answers;
mod dev_command;
mod feed_order;
mod isolation;
mod lease;
mod main_path;
mod outages;
mod sealed_cache;
mod starting;
mod support;
mod valid_everywhere;
