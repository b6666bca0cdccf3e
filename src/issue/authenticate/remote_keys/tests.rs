use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;
use crate::domain::public_key::PublicKey;

/// Who comes and is sent away, at an address of his own.
fn nobody() -> (String, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = format!("https://{}/jwks", listener.local_addr().expect("an address"));
    let came = Arc::<AtomicUsize>::default();
    let counted = Arc::clone(&came);
    std::thread::spawn(move || {
        for visitor in listener.incoming() {
            counted.fetch_add(1, Ordering::SeqCst);
            drop(visitor);
        }
    });
    (address, came)
}

fn remote_keys() -> Arc<RemoteKeys> {
    let outgoing = Outgoing::new(&["127.0.0.1".to_owned()], None).expect("a client");
    Arc::new(RemoteKeys::new(outgoing, Arc::default()))
}

/// A set of so many keys of the largest kind.
fn large_set(keys: usize) -> Arc<[ClientKeyPart]> {
    let key = PublicKey::Rsa { n: vec![0xff; 1024], e: vec![1, 0, 1] };
    let part = ClientKeyPart { credential_id: CredentialId::of_key(&key), kid: None, alg: None, key };
    vec![part; keys].into()
}

fn keep(remote: &RemoteKeys, n: usize, keys: usize) {
    let known = Known::default();
    known.kept.store(Some(Arc::new(Kept { since: remote.clock.boot(), keys: large_set(keys) })));
    remote.by_source.insert(KeySource::Client(format!("https://keys.example/{n}")), Arc::new(known));
}

/// Who comes last finds its keys kept, whoever came before; and memory has an end.
#[test]
fn the_keys_of_thousands_of_addresses_are_kept_and_then_the_oldest_go() {
    let remote = remote_keys();
    let kept =
        |n: usize| remote.by_source.contains_key(&KeySource::Client(format!("https://keys.example/{n}")));
    (0..5_000).for_each(|n| keep(&remote, n, 1));
    remote.by_source.run_pending_tasks();
    assert!((0..5_000).all(kept), "{}", remote.by_source.entry_count());
    (5_000..10_000).for_each(|n| keep(&remote, n, 32));
    remote.by_source.run_pending_tasks();
    assert!(kept(9_999) && !kept(0));
    assert!(remote.by_source.weighted_size() <= MOST_BYTES, "{}", remote.by_source.weighted_size());
    assert!(remote.by_source.entry_count() < 2_100, "{}", remote.by_source.entry_count());
}

#[test]
fn nobody_makes_us_ask_an_address_more_often_by_naming_many_others() {
    actix_web::rt::System::new().block_on(async {
        let (keys, (before, came_before), (after, came_after)) = (remote_keys(), nobody(), nobody());
        let fails = async |address: &str| {
            assert!(keys.at(&KeySource::Client(address.to_owned()), |_| true).await.is_err());
        };
        fails(&before).await;
        for n in 0..3_000 {
            // Where nobody listens.
            fails(&format!("https://127.0.0.1:1/{n}")).await;
        }
        for _ in 0..3 {
            fails(&before).await;
            fails(&after).await;
        }
        let came = || [&came_before, &came_after].map(|came| came.load(Ordering::SeqCst));
        assert_eq!(came(), [1, 1]);
        keys.clock.push(APART);
        fails(&before).await;
        assert_eq!(came(), [2, 1]);
    });
}
