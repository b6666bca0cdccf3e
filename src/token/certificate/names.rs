//! Names of certificates in the form in which they are compared: two that are the same by their rules are the same text.
//!
//! A distinguished name by RFC 5280 §7.1: attribute by attribute, whatever kind of string a value is, without regard to case
//! or to how much white space there is; within a relative name in any order, and never across two. Everything that could
//! part two of them is in the text with its length, so that no name can be written as another.

use std::fmt::Write as _;
use std::net::IpAddr;

use unicode_normalization::UnicodeNormalization;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Ia5StringRef, PrintableStringRef, TeletexStringRef, Utf8StringRef};
use x509_cert::der::{Encode, Tag, Tagged};
use x509_cert::name::Name;

/// A distinguished name; the empty text when it is empty.
pub(super) fn compared_dn(name: &Name) -> String {
    let mut text = String::new();
    for relative in &name.0 {
        let mut attributes: Vec<String> = relative.0.iter().map(attribute).collect();
        attributes.sort_unstable();
        for (n, attribute) in attributes.iter().enumerate() {
            let sign = if n == 0 { '/' } else { '+' };
            let _ = write!(text, "{sign}{}:{attribute}", attribute.len());
        }
    }
    text
}

fn attribute(of: &AttributeTypeAndValue) -> String {
    let value = &of.value;
    let text = match value.tag() {
        Tag::PrintableString => PrintableStringRef::try_from(value).ok().map(|text| text.as_str()),
        Tag::Utf8String => Utf8StringRef::try_from(value).ok().map(|text| text.as_str()),
        Tag::Ia5String => Ia5StringRef::try_from(value).ok().map(|text| text.as_str()),
        Tag::TeletexString => TeletexStringRef::try_from(value).ok().map(|text| text.as_str()),
        _ => None,
    };
    if let Some(text) = text {
        return format!("{}={}", of.oid, prepared(text));
    }
    // What is no text is the same when its bytes are.
    let mut hex = format!("{}#", of.oid);
    for byte in value.to_der().unwrap_or_default() {
        let _ = write!(hex, "{byte:02x}");
    }
    hex
}

/// RFC 4518 §2, as far as two names differ by it: compatible characters, case, white space.
fn prepared(text: &str) -> String {
    let folded: String = text.nfkc().flat_map(char::to_lowercase).nfkc().collect();
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// A host's name (RFC 5280 §7.2). A wildcard is a name like any other.
pub(super) fn compared_dns(name: &str) -> String {
    name.to_ascii_lowercase()
}

/// Four or sixteen octets.
pub(super) fn compared_ip(octets: &[u8]) -> Option<String> {
    let v4 = <[u8; 4]>::try_from(octets).map(IpAddr::from);
    let address = v4.or_else(|_| <[u8; 16]>::try_from(octets).map(IpAddr::from));
    address.ok().map(|address| address.to_string())
}

/// A mailbox: of what is behind the `@` alone the case does not matter (RFC 5280 §7.5).
pub(super) fn compared_email(address: &str) -> Option<String> {
    let (local, host) = address.rsplit_once('@')?;
    let whole = !local.is_empty() && !host.is_empty();
    whole.then(|| format!("{local}@{}", host.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use std::str::FromStr;

    use super::*;

    fn dn(text: &str) -> String {
        compared_dn(&Name::from_str(text).expect(text))
    }

    #[test]
    fn rfc_5280_section_7_1_case_and_white_space_make_no_other_name() {
        let name = dn("CN=Build Agent,OU=CI,O=Acme\\, Inc.,C=DE");
        for same in [
            "cn=build agent,ou=ci,o=acme\\, inc.,c=de",
            "CN=Build   Agent ,OU=CI,O=Acme\\2c Inc.,C=DE",
            "2.5.4.3=Build Agent,OU=CI,O=Acme\\, Inc.,C=DE",
            "CN=#0c0b4275696c64204167656e74,OU=CI,O=Acme\\, Inc.,C=DE",
            "CN=#130b4275696c64204167656e74,OU=CI,O=Acme\\, Inc.,C=DE",
        ] {
            assert_eq!(dn(same), name, "{same}");
        }
        for other in [
            "CN=BuildAgent,OU=CI,O=Acme\\, Inc.,C=DE",
            "OU=CI,CN=Build Agent,O=Acme\\, Inc.,C=DE",
            "CN=Build Agent,O=Acme\\, Inc.,C=DE",
            "CN=Build Agent+OU=CI,O=Acme\\, Inc.,C=DE",
            "CN=Build Agent,OU=CI,O=Acme\\, Inc.,C=DE,DC=x",
            "C=DE,O=Acme\\, Inc.,OU=CI,CN=Build Agent",
        ] {
            assert_ne!(dn(other), name, "{other}");
        }
    }

    #[test]
    fn rfc_4514_section_2_2_a_relative_name_has_no_order_and_no_value_becomes_a_name() {
        assert_eq!(dn("CN=a+OU=b,C=DE"), dn("OU=b+CN=a,C=DE"));
        assert_ne!(dn("CN=a+OU=b"), dn("CN=a,OU=b"));
        assert_ne!(dn("CN=a\\,O=b"), dn("CN=a,O=b"));
        assert_ne!(dn("CN=a/O=b"), dn("CN=a,O=b"));
        assert_eq!(dn("CN=Straße"), dn("CN=STRAßE"));
        assert_eq!(dn("CN=ｆｕｌｌ"), dn("CN=full"), "compatible characters");
    }

    #[test]
    fn other_names_by_their_own_rules() {
        assert_eq!(compared_dns("Build.Acme.Example"), "build.acme.example");
        assert_eq!(compared_email("Build@ACME.example").as_deref(), Some("Build@acme.example"));
        assert_eq!(compared_email("nobody"), None);
        assert_eq!(compared_ip(&[192, 0, 2, 7]).as_deref(), Some("192.0.2.7"));
        let mapped = compared_ip(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 7]);
        assert_ne!(mapped.as_deref(), Some("192.0.2.7"), "sixteen octets are not four");
        assert_eq!(compared_ip(&[1, 2, 3]), None);
    }
}
