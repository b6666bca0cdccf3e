//! Forgeries of a kind of JWT. Each is one twist away from one that is accepted: whatever can be right about it is right, its
//! signature included, where the forger could make one.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE, URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::client_key::{ALGORITHMS, ClientKey, base64};

/// Changes the claims of a good JWT into those of a bad one.
pub type Twist = fn(&mut Value);

/// A kind of JWT that is accepted somewhere.
pub struct Kind<'a> {
    /// Who signs it.
    pub key: &'a ClientKey,
    /// The `typ` of its header.
    pub typ: &'static str,
    /// Those of other kinds, and what nobody uses.
    pub other_types: &'static [&'static str],
    /// The claims of a good one, every time new.
    pub claims: Box<dyn Fn() -> Value + 'a>,
    /// Wrong claims.
    pub twists: &'static [(&'static str, Twist)],
}

impl Kind<'_> {
    fn header(&self) -> Value {
        json!({ "alg": self.key.alg, "kid": self.key.kid(), "typ": self.typ })
    }

    /// One that is accepted.
    pub fn good(&self) -> String {
        self.key.sign(&self.header(), &(self.claims)())
    }

    /// Those that are not, each with what is wrong with it.
    pub fn forgeries(&self) -> Vec<(String, String)> {
        let mut workshop = Workshop { kind: self, forged: Vec::new() };
        workshop.confused_algorithms();
        workshop.strangers_keys();
        workshop.odd_texts();
        workshop.odd_headers();
        workshop.odd_payloads();
        workshop.forged
    }
}

struct Workshop<'a> {
    kind: &'a Kind<'a>,
    forged: Vec<(String, String)>,
}

impl Workshop<'_> {
    fn add(&mut self, what: &str, forged: String) {
        self.forged.push((format!("{}, {}: {what}", self.kind.typ, self.kind.key.alg), forged));
    }

    /// A header of these members instead of the good one's, with a good signature over all of it.
    fn header(&mut self, what: &str, change: impl FnOnce(&mut Value)) {
        let mut header = self.kind.header();
        change(&mut header);
        let forged = self.kind.key.sign(&header, &(self.kind.claims)());
        self.add(what, forged);
    }

    /// The header's text with this in the place of that.
    fn header_text(&mut self, what: &str, from: &str, to: &str) {
        let header = self.kind.header().to_string();
        assert!(header.contains(from), "{what}");
        let payload = (self.kind.claims)().to_string();
        let forged = self.kind.key.sign_texts(&header.replacen(from, to, 1), &payload);
        self.add(what, forged);
    }

    /// The same of the payload.
    fn payload_text(&mut self, what: &str, from: &str, to: &str) {
        let payload = (self.kind.claims)().to_string();
        assert!(payload.contains(from), "{what}");
        self.payload(what, &payload.replacen(from, to, 1));
    }

    fn payload(&mut self, what: &str, payload: &str) {
        let forged = self.kind.key.sign_texts(&self.kind.header().to_string(), payload);
        self.add(what, forged);
    }

    /// An algorithm that needs no private key, or the public one alone (RFC 8725 §2.1).
    fn confused_algorithms(&mut self) {
        let (key, claims) = (self.kind.key, (self.kind.claims)().to_string());
        let start = |alg: &str| {
            let mut header = self.kind.header();
            header["alg"] = json!(alg);
            format!("{}.{}", base64(header.to_string()), base64(&claims))
        };
        let mut made = Vec::new();
        for alg in ["none", "None", "NONE", "nOnE", ""] {
            made.push((format!("alg {alg:?} without a signature"), format!("{}.", start(alg))));
            let signature = base64(key.signature(&start(alg)));
            made.push((format!("alg {alg:?} with one"), format!("{}.{signature}", start(alg))));
        }
        let member = |name: &str| key.jwk[name].as_str().map(|text| text.as_bytes().to_vec());
        let mut public = vec![key.jwk.to_string().into_bytes(), key.kid().as_bytes().to_vec(), Vec::new()];
        public.extend(["n", "x"].into_iter().filter_map(member));
        public.extend(public.last().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok()));
        for (alg, algorithm) in [("HS256", hmac::HMAC_SHA256), ("HS512", hmac::HMAC_SHA512)] {
            for (n, secret) in public.iter().enumerate() {
                for said in [alg, key.alg] {
                    let tag = hmac::sign(&hmac::Key::new(algorithm, secret), start(said).as_bytes());
                    let what = format!("{alg} with public key {n}, said to be {said}");
                    made.push((what, format!("{}.{}", start(said), base64(tag))));
                }
            }
        }
        for (what, forged) in made {
            self.add(&what, forged);
        }
        for alg in ALGORITHMS.into_iter().chain(["Ed25519", "ES512", "Ed448", "ES256K", "rs256"]) {
            // Others may call one algorithm by either name (RFC 9864 §2.2); we ourselves do not.
            let ed25519 = |name| self.kind.typ != "at+jwt" && ["EdDSA", "Ed25519"].contains(&name);
            if alg != key.alg && !(ed25519(alg) && ed25519(key.alg)) {
                self.header(&format!("says {alg}"), |header| header["alg"] = json!(alg));
            }
        }
    }

    /// Keys that somebody brings along (RFC 8725 §3.10), and signatures of others or for others.
    fn strangers_keys(&mut self) {
        let (stranger, claims) = (ClientKey::new(self.kind.key.alg), (self.kind.claims)());
        for (member, value) in [
            ("kid", stranger.jwk["kid"].clone()),
            ("jwk", stranger.jwk.clone()),
            ("jku", json!("https://keys.example/")),
            ("x5u", json!("https://keys.example/")),
            ("x5c", json!(["AQAB"])),
            ("kid", json!("../../dev/null")),
            ("typ", json!(self.kind.typ)),
        ] {
            let mut header = self.kind.header();
            header[member] = value;
            self.add(&format!("a stranger's, {header}"), stranger.sign(&header, &claims));
        }
        self.header("jwk of its own", |header| header["jwk"] = self.kind.key.jwk.clone());
        // The signer's own, but moved to another header or other claims.
        let good = self.kind.good();
        let (start, signature) = good.rsplit_once('.').expect("three parts");
        let (header, payload) = start.split_once('.').expect("three parts");
        let mut later = (self.kind.claims)();
        later["jti"] = json!("another");
        self.add("another payload", format!("{header}.{}.{signature}", base64(later.to_string())));
        let other = format!("{} ", self.kind.header());
        self.add("another header", format!("{}.{payload}.{signature}", base64(other)));
        let bytes = URL_SAFE_NO_PAD.decode(signature).expect("base64url");
        let of = |bytes: &[u8]| format!("{start}.{}", base64(bytes));
        let flipped: Vec<u8> = bytes.iter().enumerate().map(|(n, byte)| byte ^ u8::from(n == 0)).collect();
        self.add("a signature with one bit changed", of(&flipped));
        self.add("a signature of zeros", of(&vec![0; bytes.len()]));
        self.add("half a signature", of(&bytes[..bytes.len() / 2]));
        self.add("a signature and a half", of(&[&*bytes, &bytes[..bytes.len() / 2]].concat()));
        self.add("no signature", format!("{start}."));
    }

    /// Other spellings of the same bytes, and other shapes.
    fn odd_texts(&mut self) {
        let good = self.kind.good();
        let parts: Vec<&str> = good.split('.').collect();
        let bytes = |part: &str| URL_SAFE_NO_PAD.decode(part).expect("base64url");
        for (n, name) in ["header", "payload", "signature"].iter().enumerate() {
            for (what, text) in [
                ("padding", URL_SAFE.encode(bytes(parts[n]))),
                ("one =", format!("{}=", parts[n])),
                ("the other alphabet", STANDARD.encode(bytes(parts[n]))),
                ("a space", format!("{} ", parts[n])),
                ("a line end", format!("{}\n", parts[n])),
                ("a null", format!("{}\0", parts[n])),
                ("a character less", parts[n][1..].to_owned()),
            ] {
                if text != parts[n] {
                    let mut spelt = parts.clone();
                    spelt[n] = &text;
                    self.add(&format!("{name} with {what}"), spelt.join("."));
                }
            }
        }
        self.add("four parts", format!("{good}.{}", parts[2]));
        self.add("five parts, as if encrypted", format!("{good}.e30.e30"));
        self.add("two parts", format!("{}.{}", parts[0], parts[1]));
        self.add("in quotes", format!("\"{good}\""));
        self.add("nothing but dots", "..".to_owned());
        let json = json!({ "protected": parts[0], "payload": parts[1], "signature": parts[2] });
        self.add("as JSON", json.to_string());
    }

    /// RFC 7515 §4, RFC 8725 §3.11.
    fn odd_headers(&mut self) {
        let alg = self.kind.key.alg;
        self.header_text("alg twice", "{", r#"{"alg":"none","#);
        self.header_text("alg twice, the same", "{", &format!(r#"{{"alg":"{alg}","#));
        self.header_text("alg twice, once escaped", "{", r#"{"\u0061lg":"none","#);
        self.header_text("kid twice", "{", r#"{"kid":"a","#);
        self.header_text("typ twice", "{", &format!(r#"{{"typ":"{}","#, self.kind.typ));
        self.header_text("something behind it", "}", "}{}");
        self.header_text("a byte order mark", "{", "\u{feff}{");
        self.header_text("not closed", "}", "");
        let array = format!(r#"["{alg}"]"#);
        for (what, text) in [("an array", &*array), ("not JSON", "alg"), ("nothing", ""), ("null", "null")] {
            let forged = self.kind.key.sign_texts(text, &(self.kind.claims)().to_string());
            self.add(&format!("a header that is {what}"), forged);
        }
        for (what, member, value) in [
            ("crit", "crit", json!(["nonsense"])),
            ("crit of what is known", "crit", json!(["alg"])),
            ("crit of nothing", "crit", json!([])),
            ("alg that is a list", "alg", json!([alg])),
            ("alg that is null", "alg", json!(null)),
            ("kid that is a number", "kid", json!(1)),
            ("typ that is a list", "typ", json!([self.kind.typ])),
        ] {
            self.header(what, |header| header[member] = value);
        }
        self.header("unencoded", |header| {
            header["b64"] = json!(false);
            header["crit"] = json!(["b64"]);
        });
        self.header("no alg", |header| drop(header.as_object_mut().expect("an object").remove("alg")));
        for typ in self.kind.other_types {
            self.header(&format!("typ {typ:?}"), |header| header["typ"] = json!(typ));
        }
    }

    /// RFC 7519 §4 and §7.2.
    fn odd_payloads(&mut self) {
        let claims = (self.kind.claims)();
        for name in ["iss", "sub", "aud", "exp", "jti"] {
            let twice = format!(r#"{{"{name}":{},"#, claims[name]);
            self.payload_text(&format!("{name} twice"), "{", &twice);
            let escaped = format!(r#"{{"\u{:04x}{}":{},"#, name.as_bytes()[0], &name[1..], claims[name]);
            self.payload_text(&format!("{name} twice, once escaped"), "{", &escaped);
            let upper = name.to_uppercase();
            self.payload_text(&format!("{upper} instead"), &format!("\"{name}\""), &format!("\"{upper}\""));
            for (what, value) in
                [("null", json!(null)), ("a list in a list", json!([[claims[name]]])), ("true", json!(true))]
            {
                let mut odd = claims.clone();
                odd[name] = value;
                self.payload(&format!("{name} that is {what}"), &odd.to_string());
            }
            let mut without = claims.clone();
            without.as_object_mut().expect("an object").remove(name);
            self.payload(&format!("no {name}"), &without.to_string());
        }
        for (what, text) in [("an array", "[]"), ("null", "null"), ("an empty object", "{}"), ("nothing", "")]
        {
            self.payload(&format!("claims that are {what}"), text);
        }
        for deep in [r#"{"deep":{"a":1,"a":1},"#, r#"{"deep":[{"a":1,"a":1}],"#] {
            self.payload_text(&format!("twice inside another, {deep}"), "{", deep);
        }
        self.payload("one list in another, thousands of times", &"[".repeat(4_000));
        let nested = self.kind.good();
        self.payload("one in another", &nested);
        self.payload_text("something behind the claims", "{", "{}{");
        for (what, twist) in self.kind.twists {
            let mut twisted = (self.kind.claims)();
            twist(&mut twisted);
            self.payload(what, &twisted.to_string());
        }
    }
}
