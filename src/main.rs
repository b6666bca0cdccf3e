//! The command line: `serve` for production, `dev` to try it out, and what an operator needs once.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;

use anyhow::Context;
use carnet::app::{self, App};
use carnet::cli::keys::{self, KeysArguments};
use carnet::cli::regions::{self, RegionsArguments};
use carnet::cli::secrets::{self, SecretsArguments};
use carnet::config::Config;
use carnet::dev::{self, DevOptions};
use carnet::manage::bootstrap::bootstrap;
use carnet::seal::generate_master_key;
use carnet::sync::recognise;
use clap::{Args, Parser, Subcommand};
use ring::rand::SystemRandom;
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// An identity service for machines: Valid means everywhere, revoked comes with proof.
#[derive(Parser)]
#[command(version, arg_required_else_help = true)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve, with your own Postgres and Redis.
    Serve(Settings),
    /// Start everything on this machine, with a private Postgres and Redis and a demo tenant.
    Dev(DevArguments),
    /// Bring the database schema up to date.
    Migrate(Settings),
    /// Make the first tenant and its administrator, and print the secret once.
    Bootstrap {
        #[command(flatten)]
        settings: Settings,
        /// The name of the tenant.
        #[arg(long)]
        tenant: String,
    },
    /// See how the regions are doing; take one out of use, into use again, or away.
    Regions(RegionsArguments),
    /// See how the signing keys are doing; make one, let it sign, take out one that is compromised. What master keys
    /// are needed for.
    Keys(KeysArguments),
    /// See when the secrets of a service account were last used; rotate one, and retire it when it is used no more.
    Secrets(SecretsArguments),
    /// Print a new master key for the setting `master_keys`.
    MasterKey {
        /// Its name, 1 to 16 of a-z, 0-9 and '-'. A new key needs a new name.
        #[arg(long, default_value = "first")]
        id: String,
    },
}

#[derive(Args)]
struct Settings {
    /// The settings file. Values of the environment (CARNET_…) come before those in it.
    #[arg(long, value_name = "FILE", env = "CARNET_CONFIG", default_value = "carnet.toml")]
    config: PathBuf,
    /// The region that this instance serves; instead of the setting `region`.
    #[arg(long, value_name = "NAME")]
    region: Option<String>,
}

impl Settings {
    fn read(&self) -> anyhow::Result<Config> {
        let named = self.config.as_os_str() != "carnet.toml";
        // The file that nobody asked for need not be there.
        let file = (named || self.config.exists()).then_some(self.config.as_path());
        let mut config = Config::read(file)?;
        if let Some(region) = &self.region {
            config.region.clone_from(region);
        }
        Ok(config)
    }
}

#[derive(Args)]
struct DevArguments {
    /// Run COMMAND against a throw-away instance and exit with its code.
    #[arg(long, value_name = "COMMAND")]
    exec: Option<String>,
    /// Listen encrypted as well, with a throw-away certificate authority.
    #[arg(long)]
    tls: bool,
    /// Where data, logs and the demo tenant's secret are kept.
    #[arg(long, value_name = "DIRECTORY", default_value = ".carnet")]
    data: PathBuf,
    /// The port to listen on; another one is taken when it is in use.
    #[arg(long, default_value_t = 8080)]
    port: u16,
    /// How many regions, each with a Redis and a server of its own; the first is on the port.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=16))]
    regions: u16,
}

fn main() -> ExitCode {
    let command = CommandLine::parse().command;
    if let Err(error) = start_log() {
        eprintln!("carnet: {error:#}");
        return ExitCode::FAILURE;
    }
    let system = actix_web::rt::System::new();
    let ended = system.block_on(run(command));
    // Dropped, it would wait for a look-up of a name that hangs.
    std::mem::forget(system);
    match ended {
        Ok(code) => code,
        Err(error) => {
            eprintln!("carnet: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// To standard error: what `CARNET_LOG` lets through, one JSON object a line when `CARNET_LOG_FORMAT` is `json`.
fn start_log() -> anyhow::Result<()> {
    let filter = match std::env::var("CARNET_LOG") {
        Ok(filter) => {
            EnvFilter::try_new(&filter).with_context(|| format!("CARNET_LOG={filter} is no filter"))?
        }
        Err(_) => EnvFilter::new("warn,deadpool=error,carnet=info"),
    };
    let log = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    let plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    match std::env::var("CARNET_LOG_FORMAT").as_deref() {
        Ok("json") => log.json().init(),
        Ok("text") | Err(_) => log.with_ansi(!plain && std::io::stderr().is_terminal()).init(),
        Ok(other) => anyhow::bail!("CARNET_LOG_FORMAT={other}: it is json or text"),
    }
    Ok(())
}

async fn run(command: Command) -> anyhow::Result<ExitCode> {
    match command {
        Command::Serve(settings) => serve(settings.read()?).await,
        Command::Dev(arguments) => {
            let DevArguments { exec, tls, data, port, regions } = arguments;
            let options = DevOptions { exec, tls, data, port, regions: regions.into() };
            Box::pin(dev::run(options, stop_signal()?)).await.map(ExitCode::from)
        }
        Command::Migrate(settings) => {
            let report = app::store(&settings.read()?)?.migrate().await?;
            for migration in report.applied_migrations() {
                println!("{migration}");
            }
            println!("the schema is up to date");
            Ok(ExitCode::SUCCESS)
        }
        Command::Bootstrap { settings, tenant } => {
            let config = settings.read()?;
            let (store, masters) = (app::store(&config)?, app::master_keys(&config)?);
            store.check_schema().await?;
            recognise(&store, &app::master_checks(&masters)).await?;
            let made = bootstrap(&store, &masters.pepper(), &config.domain, &tenant).await?;
            println!("tsg_id={}\nclient_id={}", made.tsg_id, made.client_id);
            println!("client_secret={}", made.client_secret.expose());
            eprintln!("The secret is shown this once. It works as soon as a server of every region has it.");
            Ok(ExitCode::SUCCESS)
        }
        Command::Regions(arguments) => {
            regions::run(arguments).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Keys(arguments) => {
            keys::run(arguments).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::Secrets(arguments) => {
            secrets::run(arguments).await?;
            Ok(ExitCode::SUCCESS)
        }
        Command::MasterKey { id } => {
            let key = generate_master_key(&id, &SystemRandom::new())?;
            println!("{}", key.as_str());
            Ok(ExitCode::SUCCESS)
        }
    }
}

async fn serve(config: Config) -> anyhow::Result<ExitCode> {
    let region = config.region.clone();
    // From the first moment on: a signal that comes before anybody waits for it would kill the process,
    // lease and all.
    let mut stop = pin!(stop_signal()?);
    let app = tokio::select! {
        app = App::build(config) => app?,
        () = &mut stop => {
            tracing::info!("stopped while starting");
            return Ok(ExitCode::SUCCESS);
        }
    };
    tracing::info!(region, address = %app.address(), issuer = app.issuer(), "serving");
    app.run_until(stop).await?;
    tracing::info!("stopped");
    Ok(ExitCode::SUCCESS)
}

/// Resolves at Ctrl-C or when the process is asked to end.
fn stop_signal() -> anyhow::Result<impl Future<Output = ()>> {
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot wait for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("cannot wait for SIGTERM")?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    })
}
