//! `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-11): what is left, for who has proved itself; which
//! policy was exceeded, for whom it was. Other failures say nothing of limits: they would tell strangers of somebody's traffic
//! (§8.2), and two of one kind would differ.

use std::fmt::Write;

use actix_web::HttpResponseBuilder;
use actix_web::http::header::RETRY_AFTER;

use crate::limits::{Allowances, Policy, TooMany};

const RATELIMIT: &str = "ratelimit";
const RATELIMIT_POLICY: &str = "ratelimit-policy";

/// What is left under each policy; nothing where nothing is limited.
pub(super) fn left(answer: &mut HttpResponseBuilder, allowances: &Allowances) {
    let (mut limits, mut policies) = (String::new(), String::new());
    for allowance in allowances.iter() {
        if !limits.is_empty() {
            limits.push_str(", ");
            policies.push_str(", ");
        }
        limit(&mut limits, &allowance.policy, allowance.remaining, allowance.seconds);
        policy(&mut policies, &allowance.policy);
    }
    if !limits.is_empty() {
        answer.insert_header((RATELIMIT, limits)).insert_header((RATELIMIT_POLICY, policies));
    }
}

/// The policy that was exceeded, and when to come again. §6: not before the effective window ends.
pub(super) fn exceeded(answer: &mut HttpResponseBuilder, too_many: &TooMany) {
    let seconds = too_many.retry_after_seconds();
    let (mut limits, mut policies) = (String::new(), String::new());
    limit(&mut limits, &too_many.policy, 0, seconds);
    policy(&mut policies, &too_many.policy);
    answer.insert_header((RATELIMIT, limits)).insert_header((RATELIMIT_POLICY, policies));
    answer.insert_header((RETRY_AFTER, seconds.to_string()));
}

/// §4.1. To write to a text cannot fail.
fn limit(text: &mut String, policy: &Policy, remaining: u64, seconds: u64) {
    let _ = write!(text, "\"{}\";r={remaining};t={seconds}", policy.name);
}

/// §3.1.
fn policy(text: &mut String, policy: &Policy) {
    let _ = write!(text, "\"{}\";q={}", policy.name, policy.quota);
    if let Some(seconds) = policy.window_seconds {
        let _ = write!(text, ";w={seconds}");
    }
}
