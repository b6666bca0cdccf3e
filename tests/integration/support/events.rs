//! A client of server-sent events, as the HTML standard has them, that notes everything it was sent.

use std::time::Duration;

use reqwest::Response;
use serde_json::Value;

use super::client::{Answer, Client};

/// The longest wait for anything.
const PATIENCE: Duration = Duration::from_secs(20);

/// One event.
#[derive(Clone, Debug)]
pub struct Event {
    pub id: i64,
    pub name: String,
    pub data: Value,
}

impl Event {
    /// The status, when it is one; the state of the receipt otherwise.
    pub fn short(&self) -> String {
        match &*self.name {
            "status" => self.data["status"].as_str().expect("a status").to_owned(),
            "receipt" if self.data["effective_everywhere_at"].is_string() => "complete".to_owned(),
            name => name.to_owned(),
        }
    }
}

/// An open stream.
#[derive(Debug)]
pub struct Events {
    response: Response,
    path: String,
    unread: String,
    text: String,
    comments: usize,
}

impl Client {
    /// Opens a stream, or says what was answered instead, held to the contract.
    pub async fn watch(&self, token: &str, path: &str, last: Option<i64>) -> Result<Events, Answer> {
        let mut request = self.request(reqwest::Method::GET, path).bearer_auth(token);
        if let Some(last) = last {
            request = request.header("Last-Event-ID", last.to_string());
        }
        let response = request.send().await.expect("an answer");
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        if status == 200 {
            let (unread, text, path) = (String::new(), String::new(), path.to_owned());
            return Ok(Events { response, path, unread, text, comments: 0 });
        }
        let bytes = response.bytes().await.expect("a body").to_vec();
        Err(self.hold("GET", path, Answer { status, headers, bytes }))
    }
}

impl Events {
    /// The next event; nothing at the end of the stream.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            while let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                if block.starts_with(':') {
                    self.comments += 1;
                }
                if let Some(event) = event(&block) {
                    return Some(event);
                }
            }
            let chunk = tokio::time::timeout(PATIENCE, self.response.chunk());
            // A server that is killed ends it as well.
            let chunk = chunk.await.expect("in time").ok().flatten()?;
            let chunk = String::from_utf8(chunk.to_vec()).expect("UTF-8");
            self.unread.push_str(&chunk);
            self.text.push_str(&chunk);
        }
    }

    /// Events up to the one that is called so; all of them.
    pub async fn until(&mut self, short: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
            if events.last().is_some_and(|event| event.short() == short) {
                return events;
            }
        }
        panic!("the stream ended before {short}: {events:?}");
    }

    /// How many comments there were.
    pub fn comments(&self) -> usize {
        self.comments
    }

    /// The whole stream once it has ended, held to the contract; how many events were left.
    pub async fn end(mut self, client: &Client) -> usize {
        let mut left = 0;
        let rest = async {
            while self.next().await.is_some() {
                left += 1;
            }
        };
        // What is kept alive would never be late by itself.
        tokio::time::timeout(PATIENCE, rest).await.expect("an end");
        let (status, headers) = (self.response.status().as_u16(), self.response.headers().clone());
        client.hold("GET", &self.path, Answer { status, headers, bytes: self.text.into_bytes() });
        left
    }
}

fn event(block: &str) -> Option<Event> {
    let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
    let (name, data) = (field("event")?.to_owned(), serde_json::from_str(field("data")?).expect("JSON"));
    Some(Event { id: field("id")?.parse().expect("a number"), name, data })
}
