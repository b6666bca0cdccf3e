//! `carnet dev`: private stores, servers beside them, a demo tenant; everything goes when it goes.

use std::io::Write;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::certificate::{self, Certificate};
use super::demo::{self, Demo};
use super::servers::Servers;
use super::{Foreground, StoreOptions, Stores};
use crate::app;
use crate::config::{Config, RawConfig};
use crate::sync::recognise;

/// What was asked for on the command line.
#[derive(Clone, Debug)]
pub struct DevOptions {
    /// A command to run against a throw-away instance.
    pub exec: Option<String>,
    /// An encrypted listener as well.
    pub tls: bool,
    /// Where data is kept, unless it is thrown away.
    pub data: PathBuf,
    /// The port to listen on, if it is free; the first region's.
    pub port: u16,
    /// How many regions: each has a Redis and a server.
    pub regions: usize,
}

/// Runs until `stop` resolves, or until the command ends; the exit code.
///
/// # Errors
/// When something is missing, in one line that says how to get it.
pub async fn run(options: DevOptions, stop: impl Future<Output = ()>) -> anyhow::Result<u8> {
    let throw_away = options.exec.is_some();
    let scratch = throw_away.then(|| tempfile::Builder::new().prefix("carnet-dev-").tempdir()).transpose()?;
    let data = scratch.as_ref().map_or(options.data.as_path(), |scratch| scratch.path()).to_path_buf();
    let asked = StoreOptions { data_dir: data.clone(), redis_servers: options.regions, durable: !throw_away };
    let stores = actix_web::rt::task::spawn_blocking(move || Stores::start(&asked)).await??;
    let certificate = options.tls.then(|| certificate::make(&data)).transpose()?;
    let port = if throw_away { 0 } else { options.port };
    let config = config(&stores, &data, certificate.as_ref(), port)?;
    let (servers, demo) = Box::pin(start(config, stores.redis_urls(), &data)).await.with_context(|| {
        format!("{} may be of another version of Carnet: remove it to start anew", data.display())
    })?;
    let variables = variables(&servers, &stores, &demo, certificate.as_ref());
    let ended = if let Some(command) = options.exec {
        exec(servers, &command, &variables, stop).await?
    } else {
        welcome(&variables)?;
        servers.run_until(stop).await?;
        0
    };
    actix_web::rt::task::spawn_blocking(move || stores.stop()).await?;
    Ok(ended)
}

/// Migrates, makes the demo tenant if there is none, and serves.
async fn start(config: Config, redis_urls: &[String], data: &Path) -> anyhow::Result<(Servers, Demo)> {
    let (store, masters) = (app::store(&config)?, app::master_keys(&config)?);
    store.migrate().await?;
    recognise(&store, &app::master_checks(&masters)).await?;
    let demo = demo::ready(&store, &masters.pepper(), &config.domain, data).await?;
    let servers = Box::pin(Servers::start(config, redis_urls)).await?;
    servers.settle(&store, &demo).await?;
    Ok((servers, demo))
}

/// Serves while the command runs.
async fn exec(
    servers: Servers,
    command: &str,
    variables: &[(&str, String)],
    stop: impl Future<Output = ()>,
) -> anyhow::Result<u8> {
    let mut foreground = Foreground::start(command, variables)?;
    let mut code = Ok(0);
    let command = async {
        tokio::select! {
            ended = foreground.wait() => code = ended,
            () = stop => code = foreground.stop().await,
        }
    };
    servers.run_until(command).await?;
    Ok(code?)
}

fn config(
    stores: &Stores,
    data: &Path,
    certificate: Option<&Certificate>,
    port: u16,
) -> anyhow::Result<Config> {
    let mut values = serde_json::json!({
        "bind": format!("127.0.0.1:{port}"),
        "database_url": stores.database_url(),
        "redis_url": stores.redis_urls().first().context("one Redis was asked for")?,
        "master_keys": demo::master_key(data)?,
    });
    if let Some(certificate) = certificate {
        values["tls_bind"] = "127.0.0.1:0".into();
        values["tls_certificate_file"] = certificate.chain.display().to_string().into();
        values["tls_key_file"] = certificate.key.display().to_string().into();
        values["tls_client_certificates"] = true.into();
        values["client_ca_file"] = certificate.authority.display().to_string().into();
    }
    let raw: RawConfig = serde_json::from_value(values)?;
    Ok(raw.validate()?)
}

/// What people's own tests and scripts find the instance by.
fn variables(
    servers: &Servers,
    stores: &Stores,
    demo: &Demo,
    certificate: Option<&Certificate>,
) -> Vec<(&'static str, String)> {
    let mut variables = vec![
        ("CARNET_URL", format!("http://{}", servers.first().address())),
        ("CARNET_URLS", servers.urls().join(" ")),
        ("CARNET_TSG_ID", demo.tsg_id.clone()),
        ("CARNET_CLIENT_ID", demo.client_id.clone()),
        ("CARNET_CLIENT_SECRET", demo.client_secret.clone()),
        ("CARNET_DATABASE_URL", stores.database_url().to_owned()),
        ("CARNET_REDIS_URLS", stores.redis_urls().join(" ")),
    ];
    if let (Some(address), Some(certificate)) = (servers.first().tls_address(), certificate) {
        variables.push(("CARNET_TLS_URL", format!("https://{address}")));
        variables.push(("CARNET_CA_FILE", certificate.authority.display().to_string()));
        variables.push(("CARNET_CLIENT_CERTIFICATE_FILE", certificate.client.display().to_string()));
    }
    variables
}

fn welcome(variables: &[(&str, String)]) -> std::io::Result<()> {
    let value =
        |name: &str| variables.iter().find(|(n, _)| *n == name).map_or("", |(_, value)| value.as_str());
    let (url, id, secret) = (value("CARNET_URL"), value("CARNET_CLIENT_ID"), value("CARNET_CLIENT_SECRET"));
    let mut out = std::io::stdout().lock();
    writeln!(out, "\nCarnet is ready at {url}\n")?;
    writeln!(out, "  tenant         {}", value("CARNET_TSG_ID"))?;
    writeln!(out, "  administrator  {id}")?;
    writeln!(out, "  secret         {secret}")?;
    if value("CARNET_URLS") != url {
        writeln!(out, "  regions        {}", value("CARNET_URLS"))?;
    }
    for name in ["CARNET_TLS_URL", "CARNET_CA_FILE", "CARNET_CLIENT_CERTIFICATE_FILE"] {
        if !value(name).is_empty() {
            writeln!(out, "  {name}  {}", value(name))?;
        }
    }
    writeln!(out, "\nPaste this to get a token:\n")?;
    writeln!(out, "  curl -s {url}/oauth2/token -u '{id}:{secret}' -d grant_type=client_credentials\n")?;
    writeln!(out, "Or this, for the walk of the README and for scripts:\n")?;
    let tenant = value("CARNET_TSG_ID");
    let ids = format!("CARNET_URL={url} CARNET_TSG_ID={tenant} CARNET_CLIENT_ID={id}");
    writeln!(out, "  export {ids} CARNET_CLIENT_SECRET={secret}\n")?;
    writeln!(out, "Ctrl-C stops everything.")?;
    out.flush()
}
