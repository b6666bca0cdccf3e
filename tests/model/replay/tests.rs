//! A good log passes; of each bad one the first wrong line is named, and what is wrong with it.

use rstest::rstest;

use super::log::{self, Line};
use super::replayer::{Broken, Forbidden, Replayer};

const LEASE_MS: i64 = 30_000;

/// A key is made, becomes valid in two regions, is served, revoked, and refused. In the order of time.
const GOOD: &[&str] = &[
    r#"{"at_ms":1000,"event":"region_state","region":"eu","state":"required","asked_ms":999}"#,
    r#"{"at_ms":1000,"event":"epoch","region":"eu","epoch":1,"asked_ms":999}"#,
    r#"{"at_ms":1001,"event":"region_state","region":"us","state":"required","asked_ms":1000}"#,
    r#"{"at_ms":1001,"event":"epoch","region":"us","epoch":1,"asked_ms":1000}"#,
    r#"{"at_ms":1002,"event":"registered","instance":"a","region":"eu","history":"h","asked_ms":1001,"applied":5,"low_water":2}"#,
    r#"{"at_ms":1003,"event":"registered","instance":"b","region":"us","history":"h","asked_ms":1001,"applied":5,"low_water":2}"#,
    r#"{"at_ms":1004,"event":"placed","instance":"a","epoch":1}"#,
    r#"{"at_ms":1005,"event":"placed","instance":"b","epoch":1}"#,
    r#"{"at_ms":1010,"event":"lease","instance":"a","asked_ms":1008,"until_ms":31008,"leased_us":50,"snapshot_us":60,"acknowledged":5,"applied":5,"low_water":2,"state":"required"}"#,
    r#"{"at_ms":1011,"event":"lease","instance":"b","asked_ms":1009,"until_ms":31009,"leased_us":51,"snapshot_us":61,"acknowledged":5,"applied":5,"low_water":2,"state":"required"}"#,
    r#"{"at_ms":1100,"event":"committed","seq":6,"asked_ms":1099}"#,
    r#"{"at_ms":1120,"event":"applied","instance":"a","seq":6,"credential":"c","version":2}"#,
    r#"{"at_ms":1121,"event":"applied","instance":"b","seq":6,"credential":"c","version":2}"#,
    r#"{"at_ms":1140,"event":"acknowledged","region":"eu","credential":"c","version":2,"epoch":1}"#,
    r#"{"at_ms":1141,"event":"acknowledged","region":"us","credential":"c","version":2,"epoch":1}"#,
    r#"{"at_ms":1150,"event":"flipped","credential":"c","version":2,"seq":6,"asked_ms":1145}"#,
    r#"{"at_ms":1200,"event":"served","instance":"a","credential":"c","version":2,"read_seq":6,"epoch":1,"from":"redis","armed":false,"asked_ms":1198,"judged_ms":1199}"#,
    r#"{"at_ms":1300,"event":"committed","seq":7,"asked_ms":1299}"#,
    r#"{"at_ms":1310,"event":"applied","instance":"a","seq":7,"credential":"c","version":3}"#,
    r#"{"at_ms":1311,"event":"applied","instance":"b","seq":7,"credential":"c","version":3}"#,
    r#"{"at_ms":1320,"event":"lease","instance":"a","asked_ms":1315,"until_ms":31315,"leased_us":70,"snapshot_us":80,"acknowledged":7,"applied":7,"low_water":2,"state":"required"}"#,
    r#"{"at_ms":1321,"event":"lease","instance":"b","asked_ms":1315,"until_ms":31315,"leased_us":70,"snapshot_us":80,"acknowledged":7,"applied":7,"low_water":2,"state":"required"}"#,
    r#"{"at_ms":1330,"event":"returned","seq":7}"#,
    r#"{"at_ms":1400,"event":"served","instance":"b","credential":"c","version":3,"read_seq":7,"epoch":1,"from":"postgres","armed":false,"asked_ms":1390,"judged_ms":1399}"#,
];

/// What a process writes: the line as `tracing` puts it.
fn written(fields: &str) -> String {
    format!(
        r#"{{"timestamp":"2026-01-01T00:00:00Z","level":"DEBUG","fields":{fields},"target":"{}"}}"#,
        log::TARGET
    )
}

fn read(lines: &[String]) -> Vec<Line> {
    let text: Vec<String> = lines.iter().map(|fields| written(fields)).collect();
    log::read(&text.join("\n")).expect("lines of the protocol log")
}

fn good() -> Vec<String> {
    GOOD.iter().map(|line| (*line).to_owned()).collect()
}

fn replay(lines: &[String]) -> Result<(), Forbidden> {
    Replayer::new(&read(lines), LEASE_MS).run()
}

#[test]
fn a_good_log_passes() {
    assert_eq!(replay(&good()), Ok(()));
}

/// One line of the good log is another: it, or the line that it makes wrong, is found.
#[rstest]
#[case::counted_from_the_answer(9, ("31008", "31010"), 9, Broken::LeaseTooLong)]
#[case::snapshot_first(10, (r#""leased_us":51"#, r#""leased_us":62"#), 10, Broken::SnapshotBeforeLease)]
#[case::missed_what_was_committed(21, (r#""applied":7"#, r#""applied":6"#), 21, Broken::ChangeUnheard)]
#[case::another_version_acknowledged(14, (r#""version":2"#, r#""version":1"#), 16, Broken::FlippedUnacknowledged)]
#[case::another_epoch_acknowledged(15, (r#""epoch":1"#, r#""epoch":9"#), 16, Broken::FlippedUnacknowledged)]
#[case::read_before_the_low_water(17, (r#""read_seq":6"#, r#""read_seq":1"#), 17, Broken::ServedBelowFloor)]
#[case::older_than_the_floor(17, (r#""version":2"#, r#""version":1"#), 17, Broken::ServedBelowFloor)]
#[case::of_another_epoch(17, (r#""epoch":1"#, r#""epoch":2"#), 17, Broken::ServedFromElsewhere)]
#[case::armed(17, ("false", "true"), 17, Broken::ServedArmed)]
#[case::after_the_lease(17, (r#""judged_ms":1199"#, r#""judged_ms":31008"#), 17, Broken::ServedWithoutLease)]
#[case::after_the_receipt(24, (r#""version":3"#, r#""version":2"#), 24, Broken::ServedEnded)]
#[case::before_it_registered(6, (r#""instance":"b""#, r#""instance":"x""#), 8, Broken::Unregistered)]
fn a_bad_log_is_found_out(
    #[case] number: usize,
    #[case] change: (&str, &str),
    #[case] line: usize,
    #[case] broken: Broken,
) {
    let mut lines = good();
    let (is, becomes) = change;
    assert!(lines[number - 1].contains(is), "the twin changes nothing");
    lines[number - 1] = lines[number - 1].replacen(is, becomes, 1);
    assert_eq!(replay(&lines), Err(Forbidden { line, broken }));
}

/// Lines are missing from the good log: the line that relied on them is found.
#[rstest]
#[case::unacknowledged(&[15], 15, Broken::FlippedUnacknowledged)]
#[case::flipped_before_all_had_applied(&[13], 15, Broken::FlippedUnheard)]
#[case::returned_before_all_had_applied(&[20, 22], 21, Broken::ReturnedUnheard)]
fn a_step_left_out_is_found_out(#[case] without: &[usize], #[case] line: usize, #[case] broken: Broken) {
    let kept = |(number, line): (usize, String)| (!without.contains(&number)).then_some(line);
    let lines: Vec<String> = (1..).zip(good()).filter_map(kept).collect();
    assert_eq!(replay(&lines), Err(Forbidden { line, broken }));
}

#[test]
fn an_acknowledgement_of_an_epoch_that_is_over_does_not_count() {
    let mut lines = good();
    lines.insert(14, r#"{"at_ms":1141,"event":"epoch","region":"us","epoch":2,"asked_ms":1140}"#.to_owned());
    assert_eq!(replay(&lines), Err(Forbidden { line: 17, broken: Broken::FlippedUnacknowledged }));
    // Unless it may have ended after the flip.
    lines[14] = lines[14].replace("1141", "1146");
    lines[14..17].rotate_left(1);
    assert_eq!(replay(&lines), Ok(()));
}

#[test]
fn an_entry_of_an_epoch_that_is_over_is_opened_by_who_has_not_moved_yet() {
    let mut lines = good();
    lines.insert(16, r#"{"at_ms":1160,"event":"placed","instance":"a","epoch":2}"#.to_owned());
    assert_eq!(replay(&lines), Ok(()));
    let lease = lines[8].replace("1010", "1170").replace("1008", "1169").replace("31169", "31168");
    lines.insert(17, lease.replace(":5,", ":6,"));
    assert_eq!(replay(&lines), Err(Forbidden { line: 19, broken: Broken::ServedFromElsewhere }));
}

#[test]
fn a_version_that_goes_down_is_found_out() {
    let mut lines = good();
    let older = lines[16].replace("1198", "1250").replace("1199", "1251").replace("1200", "1260");
    let newer = lines[16].replace(r#""version":2"#, r#""version":4"#);
    lines.splice(16..17, [newer, older.replace("redis", "postgres")]);
    assert_eq!(replay(&lines), Err(Forbidden { line: 18, broken: Broken::ServedOlder }));
}

#[test]
fn a_lease_is_not_extended_by_who_missed_an_old_change() {
    let mut lines = good();
    // Long after the change, it still says that it has not applied it; the answer does tell it.
    lines[20] = lines[20].replace(r#""acknowledged":7"#, r#""acknowledged":6"#).replace("1315", "1701");
    lines[20] = lines[20].replace("1320", "1702").replace("31701", "31600");
    let lines = log::merge([read(&lines)]);
    let number = 1 + lines.iter().position(|line| line.at_ms == 1702).expect("the line");
    let found = Replayer::new(&lines, LEASE_MS).run();
    assert_eq!(found, Err(Forbidden { line: number, broken: Broken::LeaseOfTheStale }));
}

#[test]
fn who_starts_over_serves_no_more() {
    let mut lines = good();
    lines.insert(16, r#"{"at_ms":1190,"event":"started_over","instance":"a"}"#.to_owned());
    assert_eq!(replay(&lines), Err(Forbidden { line: 18, broken: Broken::Unregistered }));
}

#[test]
fn what_was_judged_before_it_stopped_may_be_written_after() {
    let mut lines = good();
    lines.insert(16, r#"{"at_ms":1199,"event":"started_over","instance":"a"}"#.to_owned());
    // Only what comes after the line that was under way.
    lines.truncate(18);
    assert_eq!(replay(&lines), Ok(()));
}

#[test]
fn who_registers_again_knows_what_was_loaded() {
    let mut lines = good();
    lines.extend(registered_again("h", 7));
    lines.push(lines[16].replace(r#""a""#, r#""z""#).replace("1198", "1498").replace("1199", "1499"));
    let line = lines.len();
    // By the receipt, and without it by the floor.
    assert_eq!(replay(&lines), Err(Forbidden { line, broken: Broken::ServedEnded }));
    lines.remove(22);
    assert_eq!(replay(&lines), Err(Forbidden { line: line - 1, broken: Broken::ServedBelowFloor }));
}

/// A failover that lost nothing goes on; a restore that lost something begins another world.
#[rstest]
#[case::nothing_lost(7, false)]
#[case::restored(5, true)]
fn a_history_that_lacks_what_was_committed_is_another_era(#[case] applied: i64, #[case] another: bool) {
    let mut lines = good();
    lines.extend(registered_again("h2", applied));
    lines.push(lines[16].replace(r#""a""#, r#""z""#).replace("1198", "1498").replace("1199", "1499"));
    let found = Forbidden { line: lines.len(), broken: Broken::ServedEnded };
    assert_eq!(replay(&lines), if another { Ok(()) } else { Err(found) });
}

/// `z` begins after everything else, in this history, and has a lease.
fn registered_again(history: &str, applied: i64) -> [String; 3] {
    [
        format!(
            r#"{{"at_ms":1400,"event":"registered","instance":"z","region":"eu","history":"{history}","asked_ms":1399,"applied":{applied},"low_water":2}}"#
        ),
        r#"{"at_ms":1401,"event":"placed","instance":"z","epoch":1}"#.to_owned(),
        format!(
            r#"{{"at_ms":1402,"event":"lease","instance":"z","asked_ms":1401,"until_ms":31401,"leased_us":90,"snapshot_us":91,"acknowledged":{applied},"applied":{applied},"low_water":2,"state":"required"}}"#
        ),
    ]
}

#[test]
fn processes_are_merged_by_time_and_other_targets_passed_over() {
    let other = r#"{"timestamp":"x","level":"INFO","fields":{"message":"hello"},"target":"carnet::http"}"#;
    let of = |name: &str| -> Vec<Line> {
        let is_ours = |line: &&String| line.contains(&format!(r#""instance":"{name}""#));
        let text: Vec<String> = good().iter().filter(is_ours).map(|l| written(l)).collect();
        log::read(&format!("{other}\n{}", text.join("\n"))).expect("lines")
    };
    let shared = good().into_iter().filter(|line| !line.contains("instance")).collect::<Vec<_>>();
    let merged = log::merge([of("a"), of("b"), read(&shared)]);
    assert_eq!(merged.len(), GOOD.len());
    assert_eq!(Replayer::new(&merged, LEASE_MS).run(), Ok(()));
}

#[test]
fn a_line_that_cannot_be_read_is_named() {
    let unknown = written(r#"{"at_ms":1,"event":"danced"}"#);
    let error = log::read(&format!("{}\n{unknown}", written(GOOD[0]))).expect_err("no such event");
    assert_eq!(error.line, 2);
}
