//! Switches that take one protection away each, so that tests can show that they would notice.
//!
//! Debug builds only, which is what tests are run with: `CARNET_SABOTAGE` names switches, separated by commas. In any
//! other build every switch is off for good, and the variable is an unknown setting.

/// One protection each.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    /// Old versions are admitted.
    NoFloor,
    /// Answers are given without a lease.
    NoLease,
    /// Records are read from the authority without a lease.
    NoLeaseForReads,
    /// The lease is counted from the answer, not from before the question.
    LeaseFromAnswer,
    /// A lease that was not renewed is taken for renewed.
    RenewalUnconditional,
    /// What was not read back is acknowledged.
    AcknowledgeUnread,
    /// What a cache says is pending is served.
    ServeArmed,
    /// A cache that lost its entries goes unnoticed.
    NoEpoch,
    /// A request joins a question to the authority that was asked before it came.
    JoinAnyFlight,
    /// What may be used once only is used again.
    NoOnce,
    /// An assertion that is meant for another server is taken.
    AnyAudience,
    /// What a token is bound to need not be shown.
    AnyHolder,
    /// Everybody may say which certificate their client has shown.
    AnyProxy,
    /// Tokens that were taken back are taken.
    NoRevokedTokens,
}

impl Switch {
    /// Its name in `CARNET_SABOTAGE`.
    #[cfg(debug_assertions)]
    fn name(self) -> &'static str {
        match self {
            Self::NoFloor => "no_floor",
            Self::NoLease => "no_lease",
            Self::NoLeaseForReads => "no_lease_for_reads",
            Self::LeaseFromAnswer => "lease_from_answer",
            Self::RenewalUnconditional => "renewal_unconditional",
            Self::AcknowledgeUnread => "acknowledge_unread",
            Self::ServeArmed => "serve_armed",
            Self::NoEpoch => "no_epoch",
            Self::JoinAnyFlight => "join_any_flight",
            Self::NoOnce => "no_once",
            Self::AnyAudience => "any_audience",
            Self::AnyHolder => "any_holder",
            Self::AnyProxy => "any_proxy",
            Self::NoRevokedTokens => "no_revoked_tokens",
        }
    }

    /// Whether the protection is off.
    #[cfg(debug_assertions)]
    pub fn is_on(self) -> bool {
        use std::sync::LazyLock;
        static ON: LazyLock<Vec<String>> = LazyLock::new(|| {
            let named = std::env::var("CARNET_SABOTAGE").unwrap_or_default();
            named.split(',').map(str::to_owned).collect()
        });
        ON.iter().any(|name| name == self.name())
    }

    /// Whether the protection is off: never.
    #[cfg(not(debug_assertions))]
    #[expect(clippy::unused_self, reason = "as in builds for tests")]
    pub const fn is_on(self) -> bool {
        false
    }
}
