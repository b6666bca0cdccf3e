//! Small histories, good and bad: every promise can be seen broken.

use std::time::Duration;

use rstest::rstest;

use super::story::Span;
use super::{Judgement, Rule, Troubles, judge};
use crate::history::{Ask, Came, Event, Moment, Status, Wants};

/// What a history is written with: one second is one unit.
#[derive(Default)]
struct History(Vec<Event>);

const HERE: &str = "r1-i1";
const THERE: &str = "r2-i1";

impl History {
    fn and(mut self, instance: &str, sent: Moment, returned: Moment, ask: Ask, came: Came) -> Self {
        let event = Event {
            subject: 0,
            instance: instance.to_owned(),
            sent: sent * 1_000,
            returned: returned * 1_000,
            ask,
            came,
        };
        self.0.push(event);
        self
    }

    fn rules(&self) -> Vec<Rule> {
        let mut rules: Vec<Rule> = self.judge().violations.iter().map(|v| v.rule).collect();
        rules.sort_unstable();
        rules.dedup();
        rules
    }

    fn judge(&self) -> Judgement {
        judge(&self.0, Duration::from_micros(2), &Troubles::default())
    }

    /// An account and its key, both valid at 20.
    fn with_a_valid_key() -> Self {
        Self::default()
            .and(HERE, 0, 5, Ask::CreateAccount, made("secret 0"))
            .and(HERE, 10, 15, Ask::CreateKey, made("key"))
            .and(HERE, 18, 20, Ask::ReadKey, shown(Status::Valid))
            .and(HERE, 21, 22, product(), accepted())
            .and(THERE, 21, 22, product(), accepted())
    }

    fn with_a_rotation() -> Self {
        Self::with_a_valid_key()
            .and(HERE, 30, 35, Ask::Rotate { secret: 0, next: 1 }, made("secret 1"))
            .and(HERE, 36, 37, Ask::ReadSecret { secret: 1 }, shown(Status::Pending))
            .and(THERE, 38, 39, secret(0), managed())
            .and(THERE, 38, 39, secret(1), Came::Pending)
            .and(HERE, 41, 42, secret(0), refused("invalid_client"))
            .and(HERE, 43, 44, secret(1), managed())
            // The other instance has not heard: either will do.
            .and(THERE, 45, 46, secret(0), managed())
            .and(THERE, 47, 48, secret(1), managed())
    }
}

fn product() -> Ask {
    Ask::Token { secret: 0, wants: Wants::Product }
}

fn unsaid() -> Ask {
    Ask::Token { secret: 0, wants: Wants::Unsaid }
}

fn secret(number: u8) -> Ask {
    Ask::Token { secret: number, wants: Wants::Management }
}

fn whoami() -> Ask {
    Ask::Whoami { secret: 0, product: true }
}

fn accepted() -> Came {
    Came::ProductToken { role: true }
}

fn managed() -> Came {
    Came::ManagementToken { role: true }
}

fn refused(code: &str) -> Came {
    Came::Refused { code: code.to_owned() }
}

fn made(name: &str) -> Came {
    Came::Made { made: name.to_owned() }
}

fn shown(status: Status) -> Came {
    Came::Status { status }
}

#[test]
fn a_life_without_a_fault_is_good() {
    let history = History::with_a_valid_key()
        .and(HERE, 30, 40, Ask::Revoke, Came::Proven)
        // While it is being withdrawn, anything goes.
        .and(HERE, 31, 32, product(), refused("invalid_target"))
        .and(THERE, 33, 34, product(), accepted())
        .and(THERE, 35, 36, whoami(), refused("invalid_token"))
        .and(HERE, 41, 42, product(), refused("invalid_target"))
        .and(THERE, 41, 42, unsaid(), managed())
        .and(THERE, 43, 44, whoami(), Came::Unavailable);
    assert_eq!(history.rules(), []);
    assert_eq!(history.judge().weight().after_proof, 2);
}

#[rstest]
#[case::made_in_silence(8, 25, vec![Rule::I1])]
#[case::made_before_it(11, 25, vec![])]
#[case::valid_after_it(8, 19, vec![])]
fn i1_what_turns_valid_while_a_region_is_silent_is_seen(
    #[case] from: Moment,
    #[case] until: Moment,
    #[case] rules: Vec<Rule>,
) {
    let silence = Span { sent: from * 1_000, returned: Some(until * 1_000) };
    let troubles = Troubles { silences: vec![silence], ..Troubles::default() };
    let judged = judge(&History::with_a_valid_key().0, Duration::ZERO, &troubles);
    assert_eq!(judged.violations.iter().map(|v| v.rule).collect::<Vec<_>>(), rules);
}

#[rstest]
#[case::before_it_is_valid_anywhere((8, 25), (16, 17), vec![])]
#[case::and_after_that((8, 25), (23, 24), vec![Rule::I8, Rule::I9, Rule::Linear])]
#[case::it_was_there_before((16, 25), (17, 18), vec![Rule::I8, Rule::Linear])]
#[case::it_is_fenced_by_then((8, 16), (17, 18), vec![Rule::I8, Rule::Linear])]
fn what_a_former_primary_cannot_know_is_held_against_nobody(
    #[case] deposed: (Moment, Moment),
    #[case] (sent, returned): (Moment, Moment),
    #[case] rules: Vec<Rule>,
) {
    let history =
        History::with_a_valid_key().and(THERE, sent, returned, product(), refused("invalid_target"));
    let deposed = Span { sent: deposed.0 * 1_000, returned: Some(deposed.1 * 1_000) };
    let troubles = Troubles { deposed: vec![deposed], ..Troubles::default() };
    let judged = judge(&history.0, Duration::ZERO, &troubles);
    let mut found: Vec<Rule> = judged.violations.iter().map(|v| v.rule).collect();
    found.dedup();
    assert_eq!(found, rules);
}

#[rstest]
#[case::token(product(), accepted())]
#[case::whoami(whoami(), Came::Known)]
fn i2_what_is_accepted_after_the_proof_is_seen(#[case] ask: Ask, #[case] came: Came) {
    let history = History::with_a_valid_key().and(HERE, 30, 40, Ask::Revoke, Came::Proven);
    let late = history.and(THERE, 41, 42, ask, came);
    assert_eq!(late.rules(), [Rule::I2, Rule::Linear]);
}

#[test]
fn i2_an_answer_without_proof_promises_nothing_until_the_receipt_is_complete() {
    let promised = History::with_a_valid_key().and(HERE, 30, 40, Ask::Revoke, Came::Promised).and(
        THERE,
        41,
        42,
        product(),
        accepted(),
    );
    assert_eq!(promised.rules(), []);
    let proven = promised.and(HERE, 43, 44, Ask::ReadReceipt, Came::Proven);
    assert_eq!(proven.rules(), []);
    assert_eq!(proven.and(THERE, 45, 46, product(), accepted()).rules(), [Rule::I2, Rule::Linear]);
}

#[test]
fn i2_a_cut_role_that_is_still_named_is_seen() {
    let cut = History::with_a_valid_key().and(HERE, 30, 40, Ask::CutRole, Came::Proven);
    let without = cut.and(HERE, 41, 42, product(), Came::ProductToken { role: false });
    assert_eq!(without.rules(), []);
    assert_eq!(without.and(THERE, 41, 42, product(), accepted()).rules(), [Rule::I2, Rule::Linear]);
}

#[test]
fn i2_an_expiry_is_over_when_it_is_proven_and_its_time_has_come() {
    let brought_forward = || {
        let at = 50_000;
        History::with_a_valid_key().and(HERE, 30, 35, Ask::Expire { at }, Came::Proven)
    };
    let until = brought_forward().and(THERE, 47, 51, product(), accepted());
    assert_eq!(until.rules(), []);
    let over = until.and(THERE, 53, 54, product(), refused("invalid_target"));
    assert_eq!(over.rules(), []);
    assert_eq!(over.and(HERE, 53, 54, product(), accepted()).rules(), [Rule::I2, Rule::Linear]);
    let early = brought_forward().and(THERE, 36, 37, product(), refused("invalid_target"));
    assert_eq!(early.rules(), [Rule::I8, Rule::I9, Rule::Linear]);
}

#[test]
fn linear_clocks_and_whole_seconds_blur_the_end_of_its_own_time() {
    let blurred = History::with_a_valid_key()
        .and(HERE, 30, 35, Ask::Expire { at: 50_000 }, Came::Proven)
        .and(THERE, 48, 49, whoami(), refused("invalid_token"))
        .and(THERE, 50, 51, Ask::ReadKey, shown(Status::Valid))
        .and(THERE, 53, 54, Ask::ReadKey, shown(Status::Expired));
    assert_eq!(blurred.rules(), []);
    assert_eq!(blurred.and(THERE, 55, 56, Ask::ReadKey, shown(Status::Valid)).rules(), [Rule::Linear]);
}

#[test]
fn i3_acceptance_before_the_authority_calls_it_valid_is_seen() {
    let early = History::default()
        .and(HERE, 0, 5, Ask::CreateAccount, made("secret 0"))
        .and(HERE, 10, 15, Ask::CreateKey, made("key"))
        .and(THERE, 16, 17, product(), accepted())
        .and(HERE, 18, 19, Ask::ReadKey, shown(Status::Pending));
    assert_eq!(early.rules(), [Rule::I3, Rule::Linear]);
}

#[test]
fn i3_acceptance_of_what_is_shown_revoked_is_seen() {
    let late = History::with_a_valid_key()
        .and(HERE, 30, 40, Ask::Revoke, Came::NoAnswer)
        .and(HERE, 41, 42, Ask::ReadKey, shown(Status::Revoked))
        .and(THERE, 43, 44, product(), accepted());
    assert_eq!(late.rules(), [Rule::I2, Rule::I3, Rule::Linear]);
}

#[test]
fn i4_a_rotation_without_a_fault_is_good() {
    let done =
        History::with_a_rotation().and(HERE, 50, 51, Ask::ReadSecret { secret: 0 }, shown(Status::Revoked));
    let done = done.and(THERE, 52, 53, secret(0), refused("invalid_client"));
    assert_eq!(done.rules(), []);
    assert_eq!(done.and(THERE, 54, 55, secret(0), managed()).rules(), [Rule::I2, Rule::I3, Rule::Linear]);
}

#[test]
fn i4_two_winners_are_seen() {
    let again = Ask::Rotate { secret: 0, next: 1 };
    let replay = History::with_a_rotation().and(THERE, 31, 36, again.clone(), made("secret 1"));
    assert_eq!(replay.rules(), []);
    assert_eq!(replay.and(THERE, 31, 36, again, made("another")).rules(), [Rule::I4]);
}

#[rstest]
#[case::in_the_authority(Ask::ReadSecret { secret: 1 }, shown(Status::Pending))]
#[case::at_the_same_instance(secret(1), Came::Pending)]
fn i4_neither_of_the_two_is_seen(#[case] ask: Ask, #[case] came: Came) {
    let neither = History::with_a_valid_key()
        .and(HERE, 30, 35, Ask::Rotate { secret: 0, next: 1 }, made("secret 1"))
        .and(HERE, 41, 42, secret(0), refused("invalid_client"))
        .and(HERE, 43, 44, ask, came);
    assert!(neither.rules().contains(&Rule::I4), "{:?}", neither.rules());
}

#[test]
fn i8_a_good_secret_that_is_refused_is_seen() {
    let good = History::default().and(HERE, 0, 5, Ask::CreateAccount, made("secret 0"));
    let outage = good.and(THERE, 6, 7, secret(0), Came::Unavailable);
    assert_eq!(outage.rules(), []);
    assert_eq!(
        outage.and(THERE, 8, 9, secret(0), refused("invalid_client")).rules(),
        [Rule::I8, Rule::Linear]
    );
}

#[rstest]
#[case::not_a_503(Came::Odd { status: 500, body: String::new() })]
#[case::not_its_fault(refused("invalid_request"))]
fn i8_an_answer_that_nobody_should_get_is_seen(#[case] came: Came) {
    assert_eq!(History::with_a_valid_key().and(HERE, 30, 31, product(), came).rules(), [Rule::I8]);
}

#[rstest]
#[case::refused(product(), refused("invalid_target"), vec![Rule::I8, Rule::I9, Rule::Linear])]
#[case::passed_over(unsaid(), managed(), vec![Rule::I9, Rule::Linear])]
fn i9_a_valid_key_that_is_not_honoured_is_seen(
    #[case] ask: Ask,
    #[case] came: Came,
    #[case] rules: Vec<Rule>,
) {
    assert_eq!(History::with_a_valid_key().and(THERE, 25, 26, ask, came).rules(), rules);
}

#[test]
fn i9_a_pending_key_may_be_passed_over() {
    let pending = History::default()
        .and(HERE, 0, 5, Ask::CreateAccount, made("secret 0"))
        .and(HERE, 10, 15, Ask::CreateKey, made("key"))
        .and(THERE, 16, 17, unsaid(), managed())
        .and(THERE, 18, 19, unsaid(), Came::Pending)
        .and(THERE, 20, 21, product(), accepted());
    assert_eq!(pending.rules(), []);
}

#[test]
fn linear_one_observer_does_not_go_back() {
    let back = History::with_a_valid_key()
        .and(HERE, 30, 90, Ask::Revoke, Came::Proven)
        .and(THERE, 40, 41, product(), refused("invalid_target"))
        .and(HERE, 42, 43, product(), accepted());
    assert_eq!(back.rules(), [], "each observer for itself");
    assert_eq!(back.and(THERE, 44, 45, product(), accepted()).rules(), [Rule::Linear]);
}

#[test]
fn linear_a_read_may_be_late_until_its_reader_has_heard() {
    let late = History::with_a_valid_key()
        .and(HERE, 30, 90, Ask::Revoke, Came::Proven)
        .and(HERE, 40, 41, Ask::ReadKey, shown(Status::Revoking))
        .and(THERE, 42, 43, Ask::ReadKey, shown(Status::Valid))
        .and(THERE, 44, 45, product(), refused("invalid_target"));
    assert_eq!(late.rules(), []);
    assert_eq!(late.and(THERE, 46, 47, Ask::ReadKey, shown(Status::Valid)).rules(), [Rule::Linear]);
}

#[test]
fn linear_the_turn_to_valid_is_one_moment_for_everybody() {
    let back = History::default()
        .and(HERE, 0, 5, Ask::CreateAccount, made("secret 0"))
        .and(HERE, 10, 15, Ask::CreateKey, made("key"))
        .and(HERE, 18, 20, Ask::ReadKey, shown(Status::Valid))
        .and(HERE, 21, 22, Ask::ReadKey, shown(Status::Pending))
        .and(THERE, 30, 31, product(), accepted());
    assert_eq!(back.rules(), [Rule::Linear]);
}
