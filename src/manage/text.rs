//! What texts people may give things. Control characters are refused: they deceive whoever reads
//! a list on a terminal, and Postgres cannot keep the first of them at all.

/// For names: one line.
pub(super) fn one_line<C>(text: &str, _: &C) -> garde::Result {
    if text.chars().any(char::is_control) {
        return Err(garde::Error::new("must not contain control characters"));
    }
    Ok(())
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
}
