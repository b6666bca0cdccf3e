//! Lists in pages. A page goes on after the last key of the one before, so that rows which come
//! or go in between neither repeat nor hide others.

/// Which part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Page<K> {
    /// After this key; from the beginning without one.
    pub after: Option<K>,
    /// At most so many.
    pub limit: usize,
}

impl<K> Page<K> {
    /// How many rows to ask for: one more tells whether there is another page.
    pub(super) fn probe(&self) -> i64 {
        i64::try_from(self.limit).map_or(i64::MAX, |limit| limit.saturating_add(1))
    }
}

/// Part of a list.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Listing<T, K> {
    /// The rows.
    pub items: Vec<T>,
    /// The key to go on after; none on the last page.
    pub next: Option<K>,
}

impl<T, K> Listing<T, K> {
    /// Makes a page of the rows that [`Page::probe`] asked for.
    pub(super) fn of(mut items: Vec<T>, page: &Page<K>, key: impl Fn(&T) -> K) -> Self {
        let more = items.len() > page.limit;
        items.truncate(page.limit);
        let next = if more { items.last().map(key) } else { None };
        Self { items, next }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_last_page_says_that_it_is_the_last() {
        let page = Page { after: None, limit: 2 };
        assert_eq!(page.probe(), 3);
        let of = |rows: Vec<i64>| Listing::of(rows, &page, |row| *row);
        assert_eq!(of(vec![1, 2, 3]), Listing { items: vec![1, 2], next: Some(2) });
        assert_eq!(of(vec![1, 2]), Listing { items: vec![1, 2], next: None });
        assert_eq!(of(vec![]), Listing { items: vec![], next: None });
    }
}
