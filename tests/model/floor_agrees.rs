//! The checker's floor is a small one, of one credential. It says of every reading what the product's
//! says, after every short history of changes.

use std::sync::Arc;

use carnet::directory::floor::Floor;
use carnet::domain::record::{Entry, Record};

use crate::rules::Known;
use crate::state::Instance;

const CHANGES: u32 = 7;

fn entry(version: i64, read_seq: i64) -> Entry {
    let record = Record {
        credential: "ours".to_owned(),
        tsg_id: "1000000000".to_owned(),
        enabled: true,
        ..Record::default()
    };
    Entry { record: Arc::new(record), version, read_seq }
}

/// Changes one after the other, of ours where a bit is set, of another credential where it is not.
#[test]
fn the_small_floor_is_the_products() {
    for (history, limit) in (0..1_u32 << CHANGES).flat_map(|history| [1, 2, 3].map(|limit| (history, limit)))
    {
        let mut product = Floor::new(0, limit);
        let mut ours = Instance::default();
        let mut version = 1;
        for seq in 1..=u8::try_from(CHANGES).expect("few changes") {
            if history & (1 << (seq - 1)) == 0 {
                product.raise(seq.into(), "other", 1);
            } else {
                version += 1;
                product.raise(seq.into(), "ours", version.into());
                ours.raise(version, seq);
            }
            ours.applied = seq;
            ours.bound_floor(u8::try_from(limit).expect("a small limit"));
            for (read, of) in (0..=seq).flat_map(|read| (1..=version).map(move |of| (read, of))) {
                let newest = ours.newest.map(|(version, _)| version.into());
                let known = Known { low_water: ours.low_water.into(), newest };
                let (of, read) = (of.into(), read.into());
                let same = known.admits(of, read) == product.admits(&entry(of, read));
                assert!(same, "history {history:b}, limit {limit}, after {seq}: version {of} read at {read}");
            }
        }
    }
}
