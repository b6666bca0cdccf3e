//! A client of the management API: gets a token by itself, and turns every refusal into a [`CliError`].

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::sync::Mutex;

use super::CliError;
use super::error::Problem;

/// The longest wait for a connection, and for a whole answer.
const CONNECT: Duration = Duration::from_secs(5);
const ANSWER: Duration = Duration::from_secs(30);

/// Whom to ask, and as whom. The secret comes from the environment alone: others can read a command line.
#[derive(Args, Clone, Debug)]
pub struct Account {
    /// The server.
    #[arg(long, value_name = "URL", env = "CARNET_URL", global = true)]
    url: Option<String>,
    /// Who asks; its secret is read from `CARNET_CLIENT_SECRET`.
    #[arg(long, value_name = "ID", env = "CARNET_CLIENT_ID", global = true)]
    client_id: Option<String>,
    /// Certificates that the server's is checked by, beside the system's.
    #[arg(long, value_name = "FILE", env = "CARNET_CA_FILE", global = true)]
    ca_file: Option<PathBuf>,
}

/// The command that comes after a refusal of this code about this subject, as a sentence.
type Advice = fn(code: &str, subject: Option<&str>) -> String;

/// A server, asked as one account.
pub(super) struct Api {
    http: Client,
    url: String,
    client_id: String,
    client_secret: SecretString,
    token: Mutex<Option<SecretString>>,
    advice: Advice,
}

impl Api {
    /// Asks nobody yet.
    pub fn new(account: &Account, advice: Advice) -> Result<Self, CliError> {
        let url = account.url.clone().filter(|url| !url.is_empty()).ok_or(CliError::NoUrl)?;
        let client_id = account.client_id.clone().ok_or(CliError::NoAccount("CARNET_CLIENT_ID"))?;
        let client_secret =
            std::env::var("CARNET_CLIENT_SECRET").map_err(|_| CliError::NoAccount("CARNET_CLIENT_SECRET"))?;
        // Whoever was first has named the same one.
        drop(rustls::crypto::ring::default_provider().install_default());
        let mut http = Client::builder()
            .redirect(Policy::none())
            .connect_timeout(CONNECT)
            .timeout(ANSWER)
            .user_agent(concat!("carnet/", env!("CARGO_PKG_VERSION")));
        if let Some(path) = &account.ca_file {
            http = http.tls_certs_merge(certificates(path)?);
        }
        let url = url.trim_end_matches('/').to_owned();
        let http = http.build().map_err(|error| unreachable(&url, &error))?;
        let (client_secret, token) = (client_secret.into(), Mutex::default());
        Ok(Self { http, url, client_id, client_secret, token, advice })
    }

    /// One request about one thing, or about all of them; the body of the answer.
    pub async fn call<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        subject: Option<&str>,
    ) -> Result<T, CliError> {
        let answer = self.send(method, path, subject).await?;
        answer.json().await.map_err(|error| self.not_understood(&error))
    }

    /// All pages of a list.
    pub async fn pages(&self, path: &str) -> Result<Vec<Value>, CliError> {
        #[derive(Deserialize)]
        struct Page {
            items: Vec<Value>,
            next_cursor: Option<String>,
        }
        let (mut all, mut cursor) = (Vec::new(), String::new());
        loop {
            let page: Page = self.call(Method::GET, &format!("{path}?limit=200{cursor}"), None).await?;
            all.extend(page.items);
            match page.next_cursor {
                Some(next) => cursor = format!("&cursor={next}"),
                None => return Ok(all),
            }
        }
    }

    /// Posts something; the body of the answer.
    pub async fn post(&self, path: &str, body: &Value, subject: &str) -> Result<Value, CliError> {
        let answer = self.judged(|request| request.json(body), &Method::POST, path, Some(subject)).await?;
        answer.json().await.map_err(|error| self.not_understood(&error))
    }

    /// The same, and the server need not wait until everybody has heard (RFC 7240 §4.1).
    pub async fn post_async(&self, path: &str, body: &Value, subject: &str) -> Result<Value, CliError> {
        let with = |request: RequestBuilder| request.json(body).header("prefer", "respond-async");
        let answer = self.judged(with, &Method::POST, path, Some(subject)).await?;
        answer.json().await.map_err(|error| self.not_understood(&error))
    }

    /// The same where the answer has no body.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        subject: Option<&str>,
    ) -> Result<Response, CliError> {
        self.judged(|request| request, &method, path, subject).await
    }

    async fn judged(
        &self,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
        method: &Method,
        path: &str,
        subject: Option<&str>,
    ) -> Result<Response, CliError> {
        let mut answer = self.ask(&with, method, path).await?;
        if answer.status() == 401 {
            // It may have ended while we waited for something.
            *self.token.lock().await = None;
            answer = self.ask(&with, method, path).await?;
        }
        if answer.status().is_success() {
            return Ok(answer);
        }
        let status = answer.status();
        let problem = answer.json::<Problem>().await;
        Err(problem.map_or_else(
            |_| CliError::NotUnderstood { url: self.url.clone(), why: format!("it answered {status}") },
            |problem| CliError::Refused { next: (self.advice)(&problem.code, subject), problem },
        ))
    }

    async fn ask(
        &self,
        with: impl Fn(RequestBuilder) -> RequestBuilder,
        method: &Method,
        path: &str,
    ) -> Result<Response, CliError> {
        let token = self.token().await?;
        let request = self.http.request(method.clone(), format!("{}{path}", self.url));
        let sent = with(request.bearer_auth(token.expose_secret())).send().await;
        sent.map_err(|error| unreachable(&self.url, &error))
    }

    /// A management token: one whose audience is the issuer, whatever key the account has.
    async fn token(&self) -> Result<SecretString, CliError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
        }
        #[derive(Deserialize)]
        struct Token {
            access_token: SecretString,
        }
        #[derive(Deserialize)]
        struct Refusal {
            error_description: String,
        }
        let mut known = self.token.lock().await;
        if let Some(token) = &*known {
            return Ok(token.clone());
        }
        let metadata = self.http.get(format!("{}/.well-known/oauth-authorization-server", self.url));
        let metadata = metadata.send().await.map_err(|error| unreachable(&self.url, &error))?;
        let Metadata { issuer } = metadata.json().await.map_err(|error| self.not_understood(&error))?;
        let request = self
            .http
            .post(format!("{}/oauth2/token", self.url))
            .basic_auth(&self.client_id, Some(self.client_secret.expose_secret()))
            .form(&[("grant_type", "client_credentials"), ("resource", &issuer)]);
        let answer = request.send().await.map_err(|error| unreachable(&self.url, &error))?;
        if !answer.status().is_success() {
            let status = answer.status();
            let why = answer.json::<Refusal>().await.map(|refusal| refusal.error_description);
            let why = why.unwrap_or_else(|_| format!("the server answered {status}"));
            if status.is_server_error() {
                return Err(CliError::Unavailable { url: self.url.clone(), why });
            }
            return Err(CliError::NoToken { client_id: self.client_id.clone(), why });
        }
        let Token { access_token } = answer.json().await.map_err(|error| self.not_understood(&error))?;
        *known = Some(access_token.clone());
        Ok(access_token)
    }

    fn not_understood(&self, error: &reqwest::Error) -> CliError {
        CliError::NotUnderstood { url: self.url.clone(), why: root_cause(error) }
    }
}

fn unreachable(url: &str, error: &reqwest::Error) -> CliError {
    CliError::Unreachable { url: url.to_owned(), why: root_cause(error) }
}

/// The innermost cause says most: "connection refused".
fn root_cause(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.last().map_or_else(String::new, ToString::to_string)
}

fn certificates(path: &Path) -> Result<Vec<Certificate>, CliError> {
    let unusable = |why: &dyn std::fmt::Display| CliError::CaFile {
        path: path.display().to_string(),
        why: why.to_string(),
    };
    let pem = std::fs::read(path).map_err(|error| unusable(&error))?;
    Certificate::from_pem_bundle(&pem).map_err(|error| unusable(&error))
}
