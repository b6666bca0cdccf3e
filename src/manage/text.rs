//! What texts people may give things. Control characters are refused: they deceive whoever reads
//! a list on a terminal, and Postgres cannot keep the first of them at all.
//!
//! Names are looked up, compared by eye and put into tokens, so two that look the same must be the
//! same: nothing in them may be invisible or turn the direction of what follows.

use jiff::Timestamp;
use serde::de::Error;
use serde::{Deserialize, Deserializer};
use unicode_properties::{GeneralCategory, UnicodeGeneralCategory};

/// For names: one line, all of which can be seen.
pub(super) fn one_line<C>(text: &str, _: &C) -> garde::Result {
    let refuse = |why| Err(garde::Error::new(why));
    if text.chars().any(char::is_control) {
        return refuse("must not contain control characters");
    }
    if text.chars().any(breaks_or_hides) {
        return refuse("must not contain line separators or invisible formatting characters");
    }
    if text.trim() != text {
        return refuse("must neither begin nor end with white space");
    }
    Ok(())
}

/// Zero widths, joiners, direction marks and overrides, tags (category Cf); separators of lines.
fn breaks_or_hides(c: char) -> bool {
    use GeneralCategory as G;
    matches!(c.general_category(), G::Format | G::LineSeparator | G::ParagraphSeparator)
}

/// For descriptions: line breaks and tabs, too.
pub(super) fn lines<C>(text: &str, _: &C) -> garde::Result {
    if text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t')) {
        return Err(garde::Error::new("must not contain control characters but line breaks and tabs"));
    }
    Ok(())
}

const MOMENT: &str =
    "must be a date-time (RFC 3339), such as 2027-11-22T00:00:00Z, not after 9999-12-30T22:00:00Z";

/// Tells `null` from a missing field, which serde alone does not: a value that is there is read as `T`.
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(d: D) -> Result<Option<T>, D::Error> {
    T::deserialize(d).map(Some)
}

/// For moments that cannot be emptied: `null` is none.
pub(super) fn moment<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    date_time(deserializer)?.map(Some).ok_or_else(|| D::Error::custom(MOMENT))
}

/// For moments: a `date-time` of RFC 3339 §5.6 and nothing else. What a library understands besides
/// is in no contract, and its complaints are not for our callers.
pub(super) fn date_time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Timestamp>, D::Error> {
    let read = |text: String| text.parse().ok().filter(|_| is_date_time(&text));
    let text = Option::<String>::deserialize(deserializer)?;
    text.map(|text| read(text).ok_or_else(|| D::Error::custom(MOMENT))).transpose()
}

fn is_date_time(text: &str) -> bool {
    let Some((moment, rest)) = text.split_at_checked("0000-00-00T00:00:00".len()) else {
        return false;
    };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) if !fraction.starts_with(|c: char| c.is_ascii_digit()) => return false,
        Some(fraction) => fraction.trim_start_matches(|c: char| c.is_ascii_digit()),
        None => rest,
    };
    let zone = looks_like(offset, "Z")
        || looks_like(offset, "+00:00") && offset[1..3] <= *"23" && offset[4..6] <= *"59";
    looks_like(moment, "0000-00-00T00:00:00") && zone
}

/// Whether a text has digits where the example has a nought, a sign where it has a plus, and the
/// same letters elsewhere.
fn looks_like(text: &str, example: &str) -> bool {
    let alike = |(given, example): (u8, u8)| match example {
        b'0' => given.is_ascii_digit(),
        b'+' => matches!(given, b'+' | b'-'),
        other => given.eq_ignore_ascii_case(&other),
    };
    text.len() == example.len() && text.bytes().zip(example.bytes()).all(alike)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_3339_section_5_6_a_moment_is_a_date_time_and_nothing_else() {
        let read = |text: &str| date_time(&mut serde_json::Deserializer::from_str(text));
        let moment = read(r#""2027-11-22T00:00:00Z""#).expect("a moment");
        assert!(moment.is_some());
        for same in [
            "2027-11-22t00:00:00z",
            "2027-11-22T00:00:00.000Z",
            "2027-11-22T01:00:00+01:00",
            "2027-11-21T12:00:00-12:00",
            "2027-11-22T23:59:00+23:59",
            "2027-11-22T00:00:00-00:00",
        ] {
            assert_eq!(read(&format!("\"{same}\"")).ok(), Some(moment), "{same}");
        }
        assert_eq!(read("null").ok(), Some(None));
        for bad in [
            "",
            "tomorrow",
            "2027-11-22",
            "2027-11-22 00:00:00Z",
            "2027-11-22T00:00:00",
            "2027-11-22T00:00Z",
            "20271122T000000Z",
            "2027-11-22T00:00:00,5Z",
            "2027-11-22T00:00:00.Z",
            "2027-11-22T00:00:00+24:00",
            "2027-11-22T00:00:00+0100",
            "2027-11-22T00:00:00+01:60",
            "2027-11-22T00:00:00+01:00:00",
            "2027-11-22T00:00:00+01:00[Europe/Berlin]",
            "2027-11-22T00:00:00Z[UTC]",
            "2027-02-30T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "+010000-01-01T00:00:00Z",
            "２027-11-22T00:00:00Z",
        ] {
            let error = read(&format!("\"{bad}\"")).expect_err(bad).to_string();
            assert!(error.starts_with("must be a date-time (RFC 3339)"), "{bad}: {error}");
        }
    }

    #[test]
    fn only_descriptions_have_several_lines_and_nothing_has_a_nul() {
        assert!(one_line("Größe 5 ✓", &()).is_ok());
        assert!(one_line("a\nb", &()).is_err() && lines("a\r\n\tb", &()).is_ok());
        for text in ["a\0b", "\u{1b}[2J", "\u{85}"] {
            assert!(one_line(text, &()).is_err() && lines(text, &()).is_err(), "{text:?}");
        }
    }

    #[test]
    fn two_names_that_look_the_same_are_the_same() {
        let why = |text: &str| one_line(text, &()).err().map(|error| error.message().to_owned());
        for hidden in [
            "admin\u{200b}",
            "ad\u{ad}min",
            "\u{feff}admin",
            "a\u{200d}b",
            "\u{202e}nimda",
            "\u{2066}a\u{2069}",
            "a\u{e0041}",
            "a\u{2028}b",
        ] {
            assert!(why(hidden).is_some_and(|why| why.contains("invisible")), "{hidden:?}");
        }
        for blank in [" ", "\u{a0}", "\u{3000}", " admin", "admin ", "admin\u{2003}"] {
            assert!(why(blank).is_some_and(|why| why.contains("white space")), "{blank:?}");
        }
        for good in ["admin", "Zwölf Böxkämpfer", "名前", "e\u{301}", "a b"] {
            assert_eq!(why(good), None, "{good:?}");
        }
    }
}
