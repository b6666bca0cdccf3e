//! `carnet regions`: how the regions are doing, and taking one out of use.

use std::io::Write;

use clap::{Args, Subcommand};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::api::{Account, Api};
use super::error::CliError;
use super::{Output, table, waiting};

/// What was asked for on the command line.
#[derive(Args, Clone, Debug)]
pub struct RegionsArguments {
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
    /// All regions (what is done when nothing is said).
    List,
    /// One region and its instances.
    Show {
        /// Which.
        name: String,
    },
    /// Take a region out of use: no key waits for it, its instances say that they are not ready.
    Drain {
        /// Which.
        name: String,
        /// Wait until its last instance has gone, so that it can be removed.
        #[arg(long)]
        wait: bool,
    },
    /// Take a draining region into use again.
    Rejoin {
        /// Which.
        name: String,
        /// Wait until keys wait for it again.
        #[arg(long)]
        wait: bool,
    },
    /// Forget a region in which no instance is alive.
    Remove {
        /// Which.
        name: String,
    },
}

/// A region, as far as it is printed. What the API says beyond that is for `--output json`.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Region {
    #[serde(rename = "region")]
    pub name: String,
    pub state: String,
    pub state_changed_at: String,
    pub epoch: i64,
    pub epoch_changed_at: String,
    pub warmed: u64,
    pub total: u64,
    pub poisoned: u64,
    pub awaited: u64,
    pub lag_changes: u64,
    pub lag_seconds: f64,
    pub lease_until: Option<String>,
    pub audited_at: Option<String>,
    pub divergent: Option<u64>,
    pub instances: Vec<Instance>,
    pub created_at: String,
}

#[derive(Clone, Debug, Deserialize)]
pub(super) struct Instance {
    #[serde(rename = "instance")]
    pub id: String,
    pub applied: u64,
    pub lease_until: String,
    pub started_at: String,
}

/// Does it, and prints what there is to see.
///
/// # Errors
/// [`CliError`].
pub async fn run(arguments: RegionsArguments) -> Result<(), CliError> {
    let RegionsArguments { what, account, output } = arguments;
    let api = Api::new(&account, next_command)?;
    match what.unwrap_or(What::List) {
        What::List => print_list(&api.pages("/v1/regions").await?, output),
        What::Show { name } => print_one(&find(&api, &name).await?, output),
        What::Drain { name, wait } => {
            let mut region = moved(&api, &name, "drain").await?;
            if wait {
                region = waiting::until_gone(&api, &name).await?;
            }
            print_one(&region, output)
        }
        What::Rejoin { name, wait } => {
            let mut region = moved(&api, &name, "rejoin").await?;
            if wait {
                region = waiting::until_required(&api, &name).await?;
            }
            print_one(&region, output)
        }
        What::Remove { name } => {
            api.send(Method::DELETE, &path(&name), Some(&name)).await?;
            match output {
                Output::Table => print(&format!("{name} is removed")),
                Output::Json => print(&json!({ "removed": name }).to_string()),
            }
        }
    }
}

/// One region, as the API shows it.
pub(super) async fn find(api: &Api, name: &str) -> Result<Value, CliError> {
    api.call(Method::GET, &path(name), Some(name)).await
}

/// Reads what the API shows.
pub(super) fn read(shown: &Value) -> Result<Region, CliError> {
    Region::deserialize(shown)
        .map_err(|error| CliError::NotUnderstood { url: "the server".to_owned(), why: error.to_string() })
}

fn path(name: &str) -> String {
    // A name that is none is refused by the server, as long as it stays one segment of the path.
    let name = percent_encoding::utf8_percent_encode(name, percent_encoding::NON_ALPHANUMERIC);
    format!("/v1/regions/{name}")
}

async fn moved(api: &Api, name: &str, how: &str) -> Result<Value, CliError> {
    api.call(Method::POST, &format!("{}/{how}", path(name)), Some(name)).await
}

/// What comes after a refusal.
fn next_command(code: &str, region: Option<&str>) -> String {
    let region = region.unwrap_or("NAME");
    match code {
        "not_found" => " `carnet regions list` shows those that there are.".to_owned(),
        "region_in_use" => format!(" `carnet regions drain {region} --wait` waits for that."),
        "last_required_region" => " `carnet regions list` shows how the others are doing.".to_owned(),
        "not_draining" => format!(" `carnet regions show {region}` says what it is."),
        "permission_denied" => {
            " Use an account of a tenant at the root that holds iam.region, or iam.read to look.".to_owned()
        }
        "unavailable" => " Try again in a moment.".to_owned(),
        _ => String::new(),
    }
}

fn print_list(regions: &[Value], output: Output) -> Result<(), CliError> {
    match output {
        Output::Json => print(&pretty(&json!(regions))),
        Output::Table => {
            let regions: Vec<Region> = regions.iter().map(read).collect::<Result<_, _>>()?;
            print(&table::of_many(&regions))
        }
    }
}

fn print_one(region: &Value, output: Output) -> Result<(), CliError> {
    match output {
        Output::Json => print(&pretty(region)),
        Output::Table => print(&table::of_one(&read(region)?)),
    }
}

fn pretty(value: &Value) -> String {
    format!("{value:#}")
}

fn print(text: &str) -> Result<(), CliError> {
    Ok(writeln!(std::io::stdout().lock(), "{text}")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_names_the_next_command_with_the_region_in_it() {
        let next = next_command("region_in_use", Some("eu"));
        assert_eq!(next, " `carnet regions drain eu --wait` waits for that.");
        assert_eq!(next_command("something_new", None), "");
    }
}
