//! The promises, one module each, kept against the real thing: a real Postgres, a real Redis, and the
//! server driven over HTTP. Every answer that a test sees is held to `openapi.yaml`.

mod a_post_may_be_repeated;
mod a_restored_dump_is_another_history;
mod bad_requests_name_their_fault;
mod broken_connections_are_not_used_again;
mod changes_need_the_latest_revision;
mod contract_of_answers;
mod dev_command;
mod feed_order;
mod health;
mod isolation;
mod key_policy;
mod lease;
mod lists_come_in_pages;
mod main_path;
mod metadata;
mod nobody_grants_what_they_lack;
mod outages;
mod readme_walk;
mod revocations_are_proven;
mod sealed_cache;
mod served_is_the_contract;
mod starting;
mod support;
mod tenants_keep_apart;
mod token_bad_client;
mod token_bad_input;
mod token_bad_scope;
mod token_good;
mod token_rfc_9068;
mod traces;
mod valid_everywhere;
mod valid_survives_an_outage;
mod which_token;
mod who_holds_more;
mod whoami;
