//! Tables of secrets.

use comfy_table::{Attribute, Cell, Color};
use serde::Deserialize;

use super::secrets::Secret;
use super::table::{lines, moment, plain};

/// A secret that was just made.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct NewSecret {
    credential_id: String,
    client_secret: Option<String>,
}

/// What programs read as well: `name=value`, as `carnet bootstrap` prints it.
pub(super) fn of_new(new: NewSecret) -> String {
    let NewSecret { credential_id, client_secret } = new;
    let secret = client_secret.map_or_else(String::new, |secret| format!("\nclient_secret={secret}"));
    format!("credential_id={credential_id}{secret}")
}

/// Secrets, one a line.
pub(super) fn of_secrets(secrets: Vec<Secret>) -> String {
    let mut table = plain();
    table.set_header(["SECRET", "NAME", "STATUS", "CREATED", "EXPIRES", "LAST USED", "FROM"]);
    let time = |time: &Option<String>, none: &str| time.as_deref().map_or_else(|| none.to_owned(), moment);
    for secret in secrets {
        table.add_row(vec![
            Cell::new(&secret.credential_id).add_attribute(Attribute::Bold),
            Cell::new(&secret.name),
            Cell::new(&secret.status).fg(color(&secret.status)),
            Cell::new(moment(&secret.created_at)),
            Cell::new(time(&secret.expires_at, "never")),
            Cell::new(time(&secret.last_used_at, "never")),
            Cell::new(secret.last_used_address.as_deref().unwrap_or("-")),
        ]);
    }
    lines(&table)
}

fn color(status: &str) -> Color {
    match status {
        "valid" => Color::Green,
        "pending" => Color::Yellow,
        _ => Color::Red,
    }
}
