//! What comes of a write that may find the world otherwise: said by a type, not by a row count.

/// Of writing something new.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Inserted {
    /// It is there now.
    New,
    /// There was one like it; nothing is changed.
    AlreadyThere,
}

/// Of changing one thing.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Changed {
    /// It is changed.
    Done,
    /// It is not there, or not in a state that allows this; nothing is changed.
    NotThere,
}

impl Inserted {
    /// From the number of rows that an `INSERT … ON CONFLICT DO NOTHING` of one row wrote.
    pub(super) fn from_count(rows: u64) -> Self {
        if rows == 0 { Self::AlreadyThere } else { Self::New }
    }
}

impl Changed {
    /// From the number of rows that a guarded `UPDATE` or `DELETE` of one row changed.
    pub(super) fn from_count(rows: u64) -> Self {
        if rows == 0 { Self::NotThere } else { Self::Done }
    }
}
