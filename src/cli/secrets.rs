//! `carnet secrets`: the secrets of a service account, and rotating one at its clients' own pace: add another, watch the old one go
//! unused, retire it. Or now.

use std::io::Write;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Account, Api};
use super::error::CliError;
use super::{Output, secret_table, secret_waiting};

/// What was asked for on the command line.
#[derive(Args, Clone, Debug)]
pub struct SecretsArguments {
    #[command(subcommand)]
    what: What,
    #[command(flatten)]
    account: Account,
    /// Whose service account it is, when that is not named by its client ID.
    #[arg(long, value_name = "TSG_ID", env = "CARNET_TSG_ID", global = true)]
    tenant: Option<String>,
    /// A table for people, or what the API answers.
    #[arg(long, value_enum, default_value_t = Output::Table, global = true)]
    output: Output,
}

#[derive(Subcommand, Clone, Debug)]
enum What {
    /// The secrets of a service account, and when each was last used.
    List {
        /// Its client ID, or its id.
        of: String,
    },
    /// Make another secret beside the one to be rotated, and wait until it is valid everywhere; the old one goes on working until
    /// `retire`. With --now the old one goes at once.
    Rotate {
        /// The account's client ID, or its id.
        of: String,
        /// The secret to be rotated, by its credential ID; needed when the account has several.
        #[arg(long, value_name = "CREDENTIAL_ID")]
        secret: Option<String>,
        /// What the new one will be called; as the old one when not given.
        #[arg(long)]
        name: Option<String>,
        /// The old one has leaked: it goes first, and there is a gap until every region has the new one.
        #[arg(long)]
        now: bool,
    },
    /// Take a secret away that is used no more. Refused while it is, or while the account has no other.
    Retire {
        /// The account's client ID, or its id.
        of: String,
        /// The secret, by its credential ID.
        secret: String,
        /// For how long it must not have been used.
        #[arg(long, value_name = "SECONDS", default_value_t = 3_600)]
        unused_for: u32,
        /// Wait until it has not been used for so long.
        #[arg(long, conflicts_with = "now")]
        wait: bool,
        /// Whatever it is used for.
        #[arg(long)]
        now: bool,
    },
}

/// A secret, as far as it is printed.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Secret {
    pub credential_id: String,
    pub name: String,
    pub status: String,
    pub created_at: String,
    pub expires_at: Option<String>,
    pub last_used_at: Option<String>,
    pub last_used_address: Option<String>,
}

impl Secret {
    fn is_live(&self) -> bool {
        matches!(&*self.status, "pending" | "valid")
    }
}

/// Does it, and prints what there is to see.
///
/// # Errors
/// [`CliError`].
pub async fn run(arguments: SecretsArguments) -> Result<(), CliError> {
    let SecretsArguments { what, account, tenant, output } = arguments;
    let api = Api::new(&account, next_command)?;
    match what {
        What::List { of } => {
            let owner = owner(&api, tenant, &of).await?;
            print(output, &owner.shown["secrets"], secret_table::of_secrets)
        }
        What::Rotate { of, secret, name, now } => {
            let owner = owner(&api, tenant, &of).await?;
            let old = owner.rotated(&of, secret)?;
            let made = if now {
                rotate_now(&api, &owner, &old, name).await?
            } else {
                let body = json!({ "name": name.as_ref().unwrap_or(&old.name) });
                let made = api.post(&format!("{}/secrets", owner.path), &body, &of).await?;
                // Shown before anything is waited for: it is nowhere else.
                print(output, &made, secret_table::of_new)?;
                secret_waiting::until_valid(&api, &owner.secret(text(&made, "credential_id"))).await?;
                let (new, old) = (text(&made, "credential_id"), &old.credential_id);
                eprintln!(
                    "{new} is valid in every region. Bring it to where {old} is used, then: carnet secrets retire {of} {old} --wait"
                );
                return Ok(());
            };
            print(output, &made, secret_table::of_new)?;
            secret_waiting::until_everywhere(&api, &owner.secret(&old.credential_id)).await?;
            eprintln!("{} is accepted nowhere any more.", old.credential_id);
            Ok(())
        }
        What::Retire { of, secret, unused_for, wait, now } => {
            let owner = owner(&api, tenant, &of).await?;
            let path = owner.secret(&secret);
            let body = json!({ "unused_for_seconds": unused_for, "now": now });
            if wait {
                secret_waiting::until_retired(&api, &path, &secret, &body, unused_for).await?;
            } else {
                api.post_async(&format!("{path}/retire"), &body, &secret).await?;
            }
            let receipt = secret_waiting::until_everywhere(&api, &path).await?;
            match output {
                Output::Json => print_line(&format!("{:#}", json!({ "receipt": receipt }))),
                Output::Table => print_line(&format!("{secret} is retired: no server accepts it")),
            }
        }
    }
}

/// An account, and where it is.
struct Owner {
    path: String,
    shown: Value,
}

impl Owner {
    fn secret(&self, credential_id: &str) -> String {
        format!("{}/secrets/{}", self.path, segment(credential_id))
    }

    /// The secret to be rotated: the one that is named, or the only one that works.
    fn rotated(&self, of: &str, named: Option<String>) -> Result<Secret, CliError> {
        let secrets: Vec<Secret> = read(&self.shown["secrets"])?;
        let mut live = secrets.into_iter().filter(Secret::is_live);
        let found = match named {
            Some(id) => live.find(|secret| secret.credential_id == id),
            None => live.next().filter(|_| live.next().is_none()),
        };
        found.ok_or_else(|| CliError::WhichSecret(of.to_owned()))
    }
}

/// Finds an account by its id or its client ID, which names its tenant.
async fn owner(api: &Api, tenant: Option<String>, of: &str) -> Result<Owner, CliError> {
    let by_name = of.split_once('@').and_then(|(_, rest)| rest.split('.').next()).map(ToOwned::to_owned);
    let tsg_id = by_name.or(tenant).ok_or(CliError::NoTenant)?;
    let accounts = format!("/v1/tenants/{}/service-accounts", segment(&tsg_id));
    let id = if of.contains('@') {
        let all = api.pages(&accounts).await?;
        let found = all.into_iter().find(|account| account["client_id"] == of);
        let found = found.ok_or_else(|| CliError::NoSuchAccount(of.to_owned()))?;
        text(&found, "id").to_owned()
    } else {
        of.to_owned()
    };
    let path = format!("{accounts}/{}", segment(&id));
    let shown = api.call(Method::GET, &path, Some(of)).await?;
    Ok(Owner { path, shown })
}

async fn rotate_now(api: &Api, owner: &Owner, old: &Secret, name: Option<String>) -> Result<Value, CliError> {
    let mut body = json!({ "immediate": true });
    if let Some(name) = name {
        body["name"] = json!(name);
    }
    let path = format!("{}/rotate", owner.secret(&old.credential_id));
    api.post_async(&path, &body, &old.credential_id).await
}

/// One segment of a path, whatever is in it.
fn segment(text: &str) -> impl std::fmt::Display {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC)
}

fn text<'a>(shown: &'a Value, member: &str) -> &'a str {
    shown[member].as_str().unwrap_or_default()
}

pub(super) fn read<T: for<'de> Deserialize<'de>>(shown: &Value) -> Result<T, CliError> {
    T::deserialize(shown)
        .map_err(|error| CliError::NotUnderstood { url: "the server".to_owned(), why: error.to_string() })
}

/// What comes after a refusal.
fn next_command(code: &str, subject: Option<&str>) -> String {
    let subject = subject.unwrap_or("CREDENTIAL_ID");
    match code {
        "secret_in_use" => format!(
            " `carnet secrets retire ACCOUNT {subject} --wait` waits for that, `--now` does not; `carnet secrets list ACCOUNT` shows who uses which."
        ),
        "no_other_secret" => " `carnet secrets rotate ACCOUNT` makes one.".to_owned(),
        "not_found" | "secret_not_active" | "secret_expired" | "too_many_secrets" => {
            " `carnet secrets list ACCOUNT` shows those that there are.".to_owned()
        }
        "rotation_under_way" => {
            " It ends by itself; `carnet secrets list ACCOUNT` shows when it has.".to_owned()
        }
        "permission_denied" => {
            " Use an account that holds iam.service_account, or iam.read to look.".to_owned()
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
    match output {
        Output::Json => print_line(&format!("{shown:#}")),
        Output::Table => print_line(&table(read(shown)?)),
    }
}

fn print_line(text: &str) -> Result<(), CliError> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_next_command() {
        let next = next_command("secret_in_use", Some("0123456789ABCDEf"));
        assert!(next.contains("`carnet secrets retire ACCOUNT 0123456789ABCDEf --wait`"), "{next}");
        assert!(next_command("no_other_secret", None).contains("`carnet secrets rotate ACCOUNT`"));
        assert!(next_command("not_found", None).contains("`carnet secrets list ACCOUNT`"));
        assert_eq!(next_command("something_new", None), "");
    }

    #[test]
    fn of_several_secrets_one_has_to_be_named() {
        let secret = |id: &str, status: &str| {
            json!({ "credential_id": id, "name": "n", "status": status, "created_at": "", "expires_at": null,
                    "last_used_at": null, "last_used_address": null })
        };
        let owner = |secrets: Vec<Value>| Owner { path: String::new(), shown: json!({ "secrets": secrets }) };
        let one = owner(vec![secret("a", "revoked"), secret("b", "valid")]);
        assert_eq!(one.rotated("x", None).expect("the only one").credential_id, "b");
        assert!(one.rotated("x", Some("a".into())).is_err(), "it works no more");
        let two = owner(vec![secret("a", "valid"), secret("b", "valid")]);
        let why = two.rotated("x", None).expect_err("which?").to_string();
        assert!(why.contains("`carnet secrets list x`"), "{why}");
        assert_eq!(two.rotated("x", Some("a".into())).expect("named").credential_id, "a");
    }
}
