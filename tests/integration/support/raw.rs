//! HTTP/1.1 written out, for what no well-behaved client would send.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::thread;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use super::client::Answer;

/// Writes `request` as it is, whether or not the server wants all of it, and reads the answer until
/// the server closes. The request should say `Connection: close`.
pub async fn exchange(url: &str, request: Vec<u8>) -> Answer {
    let address = url.strip_prefix("http://").expect("a plain URL").to_owned();
    let exchanged = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(address).expect("a connection");
        let mut writer = stream.try_clone().expect("two ends");
        let writing = thread::spawn(move || drop(writer.write_all(&request)));
        let mut bytes = Vec::new();
        // A server that does not read to the end may reset the connection behind its answer.
        drop(stream.read_to_end(&mut bytes));
        writing.join().expect("written, or not");
        parse(&bytes)
    });
    exchanged.await.expect("an answer")
}

/// A body in chunks of `size` bytes, so that nothing says how long it is.
pub fn chunked(body: &[u8], size: usize) -> Vec<u8> {
    let mut bytes = Vec::new();
    for chunk in body.chunks(size) {
        bytes.extend_from_slice(format!("{:x}\r\n", chunk.len()).as_bytes());
        bytes.extend_from_slice(chunk);
        bytes.extend_from_slice(b"\r\n");
    }
    bytes.extend_from_slice(b"0\r\n\r\n");
    bytes
}

fn parse(bytes: &[u8]) -> Answer {
    let end = bytes.windows(4).position(|four| four == b"\r\n\r\n");
    let end = end.unwrap_or_else(|| panic!("no answer: {:?}", String::from_utf8_lossy(bytes)));
    let head = std::str::from_utf8(&bytes[..end]).expect("a head in ASCII");
    let mut lines = head.split("\r\n");
    let status = lines.next().and_then(|line| line.split(' ').nth(1)?.parse().ok()).expect("a status");
    let mut headers = HeaderMap::new();
    for line in lines {
        let (name, value) = line.split_once(':').expect("a header");
        let name = HeaderName::from_bytes(name.as_bytes()).expect("a name");
        headers.append(name, HeaderValue::from_str(value.trim()).expect("a value"));
    }
    Answer { status, headers, bytes: bytes[end + 4..].to_vec() }
}
