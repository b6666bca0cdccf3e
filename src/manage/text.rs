//! What texts people may give things. Control characters are refused: they deceive whoever reads
//! a list on a terminal, and Postgres cannot keep the first of them at all.
//!
//! Names are looked up, compared by eye and put into tokens, so two that look the same must be the
//! same: nothing in them may be invisible or turn the direction of what follows.

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

#[cfg(test)]
mod tests {
    use super::*;

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
