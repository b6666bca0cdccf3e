//! Keys and documents that somebody publishes at an address of his own.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use actix_web::{App, HttpResponse, HttpServer, web};
use rustls::ServerConfig;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value, json};
use tempfile::NamedTempFile;

use super::client::Answer;
use super::client_key::ClientKey;
use super::refused::assert_refused;
use super::scene::Scene;

/// Somebody's web server, encrypted, at this machine: with a key set at every path, and discovery documents that point to them.
pub struct Elsewhere {
    pub url: String,
    ca: NamedTempFile,
    published: Arc<Mutex<Value>>,
    asked: Arc<AtomicUsize>,
    takes_ms: Arc<AtomicU64>,
}

impl Elsewhere {
    pub fn start() -> Self {
        let made = rcgen::generate_simple_self_signed(["localhost".to_owned()]).expect("a certificate");
        let ca = NamedTempFile::new().expect("a file");
        std::fs::write(ca.path(), made.cert.pem()).expect("written");
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(made.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key)
            .expect("a certificate");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("https://localhost:{}", listener.local_addr().expect("an address").port());
        let (published, asked) = (Arc::new(Mutex::new(json!({ "keys": [] }))), Arc::<AtomicUsize>::default());
        let takes_ms = Arc::new(AtomicU64::new(200));
        let (shown, counted, here) = (Arc::clone(&published), Arc::clone(&asked), url.clone());
        let takes = Arc::clone(&takes_ms);
        std::thread::spawn(move || {
            let serve = move || {
                let (shown, counted, here) = (Arc::clone(&shown), Arc::clone(&counted), here.clone());
                let takes = Arc::clone(&takes);
                let answer = move |path: web::Path<String>| {
                    let (shown, counted, here) = (Arc::clone(&shown), Arc::clone(&counted), here.clone());
                    let takes = Duration::from_millis(takes.load(Ordering::SeqCst));
                    async move {
                        counted.fetch_add(1, Ordering::SeqCst);
                        let keys = shown.lock().expect("no panic").clone();
                        match path.as_str() {
                            "redirect" => HttpResponse::Found()
                                .insert_header(("location", format!("{here}/jwks")))
                                .finish(),
                            "missing" => HttpResponse::NotFound().json(keys),
                            "slow" => {
                                tokio::time::sleep(Duration::from_secs(4)).await;
                                HttpResponse::Ok().json(keys)
                            }
                            "large" => {
                                let mut keys = keys;
                                keys["filler"] = json!("x".repeat(70_000));
                                HttpResponse::Ok().json(keys)
                            }
                            ".well-known/openid-configuration" => HttpResponse::Ok().json(json!({
                                "issuer": here, "jwks_uri": format!("{here}/jwks"), "subject_types_supported": ["public"],
                            })),
                            path if path.ends_with("/.well-known/openid-configuration") => {
                                let of = path.split('/').next().unwrap_or_default();
                                let jwks_uri = if of == "inside" {
                                    "https://127.0.0.2/jwks".to_owned()
                                } else {
                                    format!("{here}/{of}")
                                };
                                let issuer = if of == "liar" { here.clone() } else { format!("{here}/{of}") };
                                HttpResponse::Ok().json(json!({ "issuer": issuer, "jwks_uri": jwks_uri }))
                            }
                            "page" => HttpResponse::Ok().body("<html>"),
                            _ => {
                                tokio::time::sleep(takes).await;
                                HttpResponse::Ok().json(keys)
                            }
                        }
                    }
                };
                App::new().route("/{path:.*}", web::get().to(answer))
            };
            let server = HttpServer::new(serve).workers(1).disable_signals();
            let server = server.listen_rustls_0_23(listener, tls).expect("a listener").run();
            actix_web::rt::System::new().block_on(server).expect("a server");
        });
        Self { url, ca, published, asked, takes_ms }
    }

    pub fn publish(&self, keys: &[&ClientKey]) {
        let keys: Vec<&Value> = keys.iter().map(|key| &key.jwk).collect();
        *self.published.lock().expect("no panic") = json!({ "keys": keys });
    }

    /// From now on an answer takes so long.
    pub fn takes(&self, ms: u64) {
        self.takes_ms.store(ms, Ordering::SeqCst);
    }

    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    /// A server that may ask it.
    pub async fn scene(&self, issuer: &str, allowed: &str) -> Scene {
        self.scene_with(issuer, allowed, &json!({})).await
    }

    /// The same with other settings besides.
    pub async fn scene_with(&self, issuer: &str, allowed: &str, other: &Value) -> Scene {
        let mut settings = self.settings(issuer, allowed);
        for (name, value) in other.as_object().expect("settings") {
            settings[name] = value.clone();
        }
        Scene::with(&settings).await
    }

    /// The settings of one.
    pub fn settings(&self, issuer: &str, allowed: &str) -> Value {
        let file = self.ca.path().display().to_string();
        json!({ "issuer": issuer, "outgoing_allowed_hosts": allowed, "outgoing_ca_file": file })
    }
}

#[track_caller]
pub fn assert_outage(answer: &Answer, what: &str) {
    assert_refused(answer, 503, "temporarily_unavailable", what);
    assert!(!answer.header("retry-after").is_empty(), "{what}");
}
