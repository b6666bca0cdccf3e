//! `carnet keys`: the life of signing keys, and what master keys are still needed for.

use std::io::Write;
use std::time::{Duration, Instant};

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Account, Api};
use super::error::CliError;
use super::{Output, key_table};

/// The wait between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// How long the server may be away, or refuse tokens, while it goes over to another key.
const AWAY: Duration = Duration::from_secs(30);

/// What was asked for on the command line.
#[derive(Args, Clone, Debug)]
pub struct KeysArguments {
    #[command(subcommand)]
    what: Option<What>,
    #[command(flatten)]
    account: Account,
    /// A table for people, or what the API answers.
    #[arg(long, value_enum, default_value_t = Output::Table, global = true)]
    output: Output,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// All signing keys (what is done when nothing is said).
    List,
    /// Publish a new signing key; it signs by itself as soon as every verifier can have it.
    New {
        /// With what it signs.
        #[arg(value_parser = ["RS256", "ES256", "EdDSA"])]
        algorithm: String,
    },
    /// Let a published key sign, if every verifier can have it by now.
    Promote {
        /// Which. One in sixty-four begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
    },
    /// Take a compromised key out at once: what it signed is refused. Waits until every server does so.
    Revoke {
        /// Which. One in sixty-four begins with a hyphen.
        #[arg(allow_hyphen_values = true)]
        kid: String,
        /// Why; kept with the key.
        #[arg(long)]
        reason: String,
    },
    /// The master keys, and what each is still needed for.
    Master,
}

/// A signing key, as far as it is printed. What the API says beyond that is for `--output json`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct SigningKey {
    pub kid: String,
    pub algorithm: String,
    pub state: String,
    pub state_changed_at: String,
    pub everywhere_at: Option<String>,
    pub awaited_instances: u64,
    pub next_step_at: Option<String>,
    pub master_key_id: Option<String>,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct MasterKey {
    #[serde(rename = "master_key_id")]
    pub id: String,
    pub current: bool,
    pub signing_keys: u64,
    pub client_secrets: u64,
}

/// Does it, and prints what there is to see.
///
/// # Errors
/// [`CliError`].
pub async fn run(arguments: KeysArguments) -> Result<(), CliError> {
    let KeysArguments { what, account, output } = arguments;
    let api = Api::new(&account, next_command)?;
    match what.unwrap_or(What::List) {
        What::List => {
            let keys = api.pages("/v1/signing-keys").await?;
            print(output, &json!(keys), key_table::of_keys)
        }
        What::New { algorithm } => {
            let body = json!({ "algorithm": algorithm });
            let made = api.post("/v1/signing-keys", &body, &algorithm).await?;
            print(output, &made, |key| key_table::of_keys(vec![key]))
        }
        What::Promote { kid } => {
            let signs = api.post(&format!("{}/promote", path(&kid)), &json!({}), &kid).await?;
            print(output, &signs, |key| key_table::of_keys(vec![key]))
        }
        What::Revoke { kid, reason } => {
            let body = json!({ "reason": reason });
            let revoked = api.post_async(&format!("{}/revoke", path(&kid)), &body, &kid).await?;
            let revoked = until_everywhere(&api, &kid, revoked).await?;
            print(output, &revoked, |key| key_table::of_keys(vec![key]))
        }
        What::Master => {
            let page: Value = api.call(Method::GET, "/v1/master-keys", None).await?;
            print(output, &page["items"], key_table::of_masters)
        }
    }
}

fn path(kid: &str) -> String {
    let kid = percent_encoding::utf8_percent_encode(kid, percent_encoding::NON_ALPHANUMERIC);
    format!("/v1/signing-keys/{kid}")
}

/// Our own token may be one of those that are refused from now on, so one that is refused is borne for a while.
async fn until_everywhere(api: &Api, kid: &str, mut shown: Value) -> Result<Value, CliError> {
    let mut heard = Instant::now();
    while shown["everywhere_at"].is_null() {
        tokio::time::sleep(LOOK_EVERY).await;
        match api.call(Method::GET, &path(kid), Some(kid)).await {
            Ok(now) => {
                heard = Instant::now();
                shown = now;
            }
            Err(error)
                if heard.elapsed() < AWAY && (error.is_passing() || error.code() == "invalid_token") => {}
            Err(error) => return Err(error),
        }
    }
    Ok(shown)
}

/// What comes after a refusal; `subject` is a key, or the algorithm of one to be made.
fn next_command(code: &str, subject: Option<&str>) -> String {
    let subject = subject.unwrap_or("KID");
    match code {
        "not_found" | "signing_key_retired" | "signing_key_under_way" | "signing_key_not_everywhere" => {
            " `carnet keys list` shows how each is doing.".to_owned()
        }
        "signing_key_too_early" => format!(
            " It does so by itself then. If the one that signs is compromised, `carnet keys revoke KID --reason …` does not wait; {subject} need not be promoted for that."
        ),
        "permission_denied" => {
            " Use an account of a tenant at the root that holds iam.signing_key, or iam.read to look."
                .to_owned()
        }
        "unavailable" => " Try again in a moment.".to_owned(),
        _ => String::new(),
    }
}

fn print<T: for<'de> Deserialize<'de>>(
    output: Output,
    shown: &Value,
    table: impl FnOnce(T) -> String,
) -> Result<(), CliError> {
    let text = match output {
        Output::Json => format!("{shown:#}"),
        Output::Table => table(T::deserialize(shown).map_err(|error| CliError::NotUnderstood {
            url: "the server".to_owned(),
            why: error.to_string(),
        })?),
    };
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_next_command() {
        for code in
            ["not_found", "signing_key_retired", "signing_key_under_way", "signing_key_not_everywhere"]
        {
            assert!(next_command(code, None).contains("`carnet keys list`"), "{code}");
        }
        assert!(next_command("signing_key_too_early", Some("k")).contains("`carnet keys revoke"));
        assert_eq!(next_command("something_new", None), "");
    }
}
