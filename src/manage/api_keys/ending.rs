//! When a key ends: as its maker asks, as far as its product lets it, and never after its license.

use jiff::{Span, Timestamp, tz::TimeZone};

use super::refused::KeyRefused;
use crate::domain::key_policy::KeyPolicy;
use crate::manage::ManageError;
use crate::store::products::Product;

/// What a key's maker says of its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Wish {
    /// At this moment.
    pub expires_at: Option<Timestamp>,
    /// Whether at all.
    pub expires: Option<bool>,
}

/// When a key ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Ending {
    /// But for its license.
    pub asked: Option<Timestamp>,
    /// In truth.
    pub expires_at: Timestamp,
}

impl Ending {
    /// Of a key that is to end when that is, under a license until then.
    pub fn within(asked: Option<Timestamp>, license: Timestamp) -> Self {
        Self { asked, expires_at: asked.map_or(license, |asked| asked.min(license)) }
    }
}

/// The rule of a product.
pub(super) fn ending(
    product: &Product,
    wish: Wish,
    license: Timestamp,
    now: Timestamp,
) -> Result<Ending, ManageError> {
    let policy = &product.key_policy;
    if !policy.may_expire {
        return match wish {
            Wish { expires_at: None, expires: None } if policy.expires_with_license => {
                Ok(Ending { asked: Some(license), expires_at: license })
            }
            Wish { expires_at: None, expires: None } => Ok(Ending::within(None, license)),
            Wish { expires_at: Some(_), .. } => Err(not_for(product, "expires_at")),
            Wish { expires: Some(_), .. } => Err(not_for(product, "expires")),
        };
    }
    let asked = match wish {
        Wish { expires_at: Some(_), expires: Some(false) } => return Err(KeyRefused::ExpiresOrNot.into()),
        Wish { expires_at: Some(at), .. } if at <= now => return Err(ManageError::ExpiresInPast),
        Wish { expires_at: Some(at), .. } => Some(at),
        Wish { expires: Some(true), .. } => Some(by_default(policy, now)),
        Wish { .. } => None,
    };
    Ok(Ending::within(asked, license))
}

fn not_for(product: &Product, field: &'static str) -> ManageError {
    KeyRefused::NotForProduct { field, product: product.product.clone() }.into()
}

/// So many calendar months from now, UTC: the same day of that month, or its last one.
fn by_default(policy: &KeyPolicy, now: Timestamp) -> Timestamp {
    let months = Span::new().months(i64::from(policy.expiry_default_months));
    now.to_zoned(TimeZone::UTC).checked_add(months).map_or(Timestamp::MAX, |then| then.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::manage::api_keys::a_product;

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a moment")
    }

    fn optional() -> Product {
        let mut product = a_product();
        product.key_policy.may_expire = true;
        product
    }

    #[test]
    fn a_month_is_a_calendar_month_also_over_a_leap_day() {
        let policy = optional().key_policy;
        for (now, then) in [
            ("2028-01-29T10:00:00Z", "2028-02-29T10:00:00Z"),
            ("2028-01-31T10:00:00Z", "2028-02-29T10:00:00Z"),
            ("2027-01-31T10:00:00Z", "2027-02-28T10:00:00Z"),
            ("2028-02-29T10:00:00Z", "2028-03-29T10:00:00Z"),
            ("2026-12-31T23:59:59Z", "2027-01-31T23:59:59Z"),
        ] {
            assert_eq!(by_default(&policy, at(now)), at(then), "{now}");
        }
        assert_eq!(by_default(&policy, Timestamp::MAX), Timestamp::MAX);
    }

    #[test]
    fn an_end_is_as_asked_and_never_after_the_license() {
        let (now, license) = (at("2026-11-22T00:00:00Z"), at("2027-11-22T00:00:00Z"));
        let end = |product: &Product, expires_at, expires| {
            ending(product, Wish { expires_at, expires }, license, now).map_err(|e| e.code())
        };
        let (soon, late) = (at("2026-11-23T00:00:00Z"), at("2030-01-01T00:00:00Z"));
        let product = optional();
        assert_eq!(end(&product, None, None), Ok(Ending { asked: None, expires_at: license }));
        assert_eq!(end(&product, None, Some(false)), Ok(Ending { asked: None, expires_at: license }));
        assert_eq!(end(&product, Some(soon), None), Ok(Ending { asked: Some(soon), expires_at: soon }));
        assert_eq!(
            end(&product, Some(late), Some(true)),
            Ok(Ending { asked: Some(late), expires_at: license })
        );
        assert_eq!(end(&product, None, Some(true)).map(|e| e.expires_at), Ok(at("2026-12-22T00:00:00Z")));
        assert_eq!(end(&product, Some(soon), Some(false)), Err("expires_contradicts"));
        assert_eq!(end(&product, Some(now), None), Err("expires_in_past"));
    }

    #[test]
    fn where_the_license_or_nothing_ends_a_key_nobody_asks_for_an_end() {
        let (now, license) = (at("2026-11-22T00:00:00Z"), at("2027-11-22T00:00:00Z"));
        let mut product = a_product();
        for with_license in [false, true] {
            product.key_policy.expires_with_license = with_license;
            let end = |wish| ending(&product, wish, license, now);
            let ends = end(Wish::default()).expect("an end");
            assert_eq!(ends, Ending { asked: with_license.then_some(license), expires_at: license });
            for wish in [
                Wish { expires: Some(true), ..Wish::default() },
                Wish { expires_at: Some(license), expires: None },
            ] {
                assert_eq!(end(wish).map_err(|e| e.code()), Err("not_for_product"));
            }
        }
    }
}
