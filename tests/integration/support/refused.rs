//! What every refusal of the token endpoint has: RFC 6749 §5.2, and §5.1 for the caching.

use super::client::Answer;

/// It is this refusal. Whether a 401 has its challenge is for the test to say; nothing else has one.
#[track_caller]
pub fn assert_refused(answer: &Answer, status: u16, error: &str, what: &str) {
    let said = String::from_utf8_lossy(&answer.bytes);
    assert_eq!((answer.status, answer.code().as_str()), (status, error), "{what}: {said}");
    assert_eq!(answer.header("content-type"), "application/json", "{what}");
    assert_eq!(answer.header("cache-control"), "no-store", "{what}");
    assert!(status == 401 || answer.header("www-authenticate").is_empty(), "{what}");
}

/// All are this refusal, and nothing but the date tells one from another.
#[track_caller]
pub fn assert_alike(answers: &[(String, Answer)], status: u16, error: &str) {
    assert!(!answers.is_empty());
    for (what, answer) in answers {
        assert_refused(answer, status, error, what);
        assert_eq!(answer.but_the_date(), answers[0].1.but_the_date(), "{what}");
    }
}
