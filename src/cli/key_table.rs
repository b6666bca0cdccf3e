//! Tables of signing keys and master keys.

use comfy_table::{Attribute, Cell, Color};

use super::keys::{MasterKey, SigningKey};
use super::table::{lines, moment, plain};

/// Signing keys, one a line.
pub(super) fn of_keys(keys: Vec<SigningKey>) -> String {
    let mut table = plain();
    table.set_header(["KID", "ALGORITHM", "STATE", "SINCE", "EVERYWHERE", "NEXT STEP", "MASTER KEY"]);
    for key in keys {
        let everywhere = match (&key.everywhere_at, key.awaited_instances) {
            (Some(at), 0) => Cell::new(moment(at)),
            (_, 0) => Cell::new("soon"),
            (_, 1) => Cell::new("1 server to go").fg(Color::Yellow),
            (_, awaited) => Cell::new(format!("{awaited} servers to go")).fg(Color::Yellow),
        };
        table.add_row(vec![
            Cell::new(&key.kid).add_attribute(Attribute::Bold),
            Cell::new(&key.algorithm),
            Cell::new(&key.state).fg(color(&key.state)),
            Cell::new(moment(&key.state_changed_at)),
            everywhere,
            Cell::new(key.next_step_at.as_deref().map_or_else(|| "-".to_owned(), moment)),
            Cell::new(key.master_key_id.as_deref().unwrap_or("-")),
        ]);
    }
    lines(&table)
}

/// Master keys, one a line.
pub(super) fn of_masters(keys: Vec<MasterKey>) -> String {
    let mut table = plain();
    table.set_header(["MASTER KEY", "USE", "SIGNING KEYS", "CLIENT SECRETS"]);
    for key in keys {
        let needed = key.signing_keys + key.client_secrets > 0;
        let usage = match (key.current, needed) {
            (true, _) => Cell::new("current").fg(Color::Green),
            (false, true) => Cell::new("still needed").fg(Color::Yellow),
            (false, false) => Cell::new("may go"),
        };
        table.add_row(vec![
            Cell::new(&key.id).add_attribute(Attribute::Bold),
            usage,
            Cell::new(key.signing_keys),
            Cell::new(key.client_secrets),
        ]);
    }
    lines(&table)
}

fn color(state: &str) -> Color {
    match state {
        "signing" => Color::Green,
        "revoked" => Color::Red,
        "retired" => Color::Blue,
        _ => Color::Yellow,
    }
}
