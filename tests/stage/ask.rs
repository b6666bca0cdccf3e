//! One request over a connection of its own, for what the stage itself wants to know.
//!
//! Not a client for workloads: it keeps no connection and understands no answer but its status and its text.

use std::io::{Read, Result, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;

/// An answer.
#[derive(Clone, Debug)]
pub struct Said {
    pub status: u16,
    pub text: String,
}

/// Gets a path; `limit` is the longest wait for anything.
pub fn get(address: SocketAddr, path: &str, limit: Duration) -> Result<Said> {
    ask(address, &format!("GET {path} HTTP/1.1\r\n"), "", limit)
}

/// Asks for a token, with whatever else is asked for, as a form.
pub fn token(address: SocketAddr, client_id: &str, secret: &str, limit: Duration) -> Result<Said> {
    let basic = STANDARD.encode(format!("{}:{secret}", client_id.replace('@', "%40")));
    let form = "Content-Type: application/x-www-form-urlencoded\r\n";
    let head = format!("POST /oauth2/token HTTP/1.1\r\nAuthorization: Basic {basic}\r\n{form}");
    ask(address, &head, "grant_type=client_credentials", limit)
}

/// Posts JSON with a bearer token.
pub fn post(address: SocketAddr, path: &str, token: &str, json: &str, limit: Duration) -> Result<Said> {
    let head = format!(
        "POST {path} HTTP/1.1\r\nAuthorization: Bearer {token}\r\nContent-Type: application/json\r\n"
    );
    ask(address, &head, json, limit)
}

fn ask(address: SocketAddr, head: &str, body: &str, limit: Duration) -> Result<Said> {
    let mut stream = TcpStream::connect_timeout(&address, limit)?;
    stream.set_read_timeout(Some(limit))?;
    let length = body.len();
    write!(stream, "{head}Host: stage\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}")?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    let status = text.split(' ').nth(1).and_then(|status| status.parse().ok());
    let status = status.ok_or_else(|| std::io::Error::other(format!("no answer: {text:?}")))?;
    let text = text.split_once("\r\n\r\n").map(|(_, body)| body.to_owned()).unwrap_or_default();
    Ok(Said { status, text })
}
