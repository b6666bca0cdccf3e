use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use super::*;

fn outgoing(allowed: &[&str]) -> Outgoing {
    let allowed: Vec<String> = allowed.iter().map(|&host| host.to_owned()).collect();
    Outgoing::new(&allowed, None).expect("a client")
}

/// With another resolver, and so many places.
fn resolved_by<L: LookUp>(allowed: &[&str], look_up: L, most: usize) -> Outgoing {
    let allowed: Arc<[String]> = allowed.iter().map(|&host| host.to_owned()).collect();
    let client = client(tls(None).expect("roots"), Guard::new(&allowed, look_up)).expect("a client");
    Outgoing { client, allowed, places: Arc::new(Places::new(most, AT_ONE_HOST)) }
}

/// Every name is this machine.
async fn here(_name: String) -> std::io::Result<Vec<SocketAddr>> {
    Ok(vec![SocketAddr::from(([127, 0, 0, 1], 0))])
}

async fn listener() -> (TcpListener, u16) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let port = listener.local_addr().expect("an address").port();
    (listener, port)
}

#[test]
fn only_https_to_what_is_public() {
    let guarded = outgoing(&["inside.example", "10.0.0.1"]);
    for good in [
        "https://keys.example/jwks",
        "https://keys.example:8443/?a=b",
        "https://8.8.8.8/",
        "https://inside.example/",
        "https://10.0.0.1/jwks",
    ] {
        assert_eq!(guarded.check(good), Ok(()), "{good}");
    }
    for bad in
        ["", "keys.example", "http://keys.example", "file:///etc/passwd", "https://", "ftp://a.example/"]
    {
        assert_eq!(guarded.check(bad), Err(NoAddress::NotHttps), "{bad}");
    }
    for bad in ["https://u@a.example/", "https://u:p@a.example/", "https://a.example/#f"] {
        assert_eq!(guarded.check(bad), Err(NoAddress::NotHttps), "{bad}");
    }
    for inside in [
        "https://127.0.0.1/",
        "https://127.1/",
        "https://2130706433/",
        "https://0x7f000001/",
        "https://017700000001/",
        "https://10.0.0.2/",
        "https://169.254.169.254/latest/meta-data",
        "https://[::1]/",
        "https://[::ffff:127.0.0.1]/",
        "https://[fd00::1]/",
        "https://[64:ff9b::7f00:1]/",
    ] {
        assert_eq!(guarded.check(inside), Err(NoAddress::NotPublic), "{inside}");
    }
}

/// A name that is public when somebody looks, and leads inside when one connects. Here nobody looks but who connects.
#[tokio::test]
async fn a_name_that_changes_its_mind_leads_nowhere() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let (inside, port) = listener().await;
    let rebinding = move |_name: String| async move {
        // First a public address at which nobody is, then the one inside.
        let first = ASKED.fetch_add(1, Ordering::Relaxed) == 0;
        let address = if first { [203, 0, 112, 1] } else { [127, 0, 0, 1] };
        Ok(vec![SocketAddr::from((address, port))])
    };
    let guarded = |allowed: &[&str]| resolved_by(allowed, rebinding, 1);
    let address = format!("https://rebinds.example:{port}/");
    let strict = guarded(&[]);
    for _ in 0..3 {
        assert!(strict.get(&address).await.is_err());
    }
    let nobody = tokio::time::timeout(Duration::from_millis(100), inside.accept()).await;
    assert!(nobody.is_err(), "somebody was led inside");
    assert!(ASKED.load(Ordering::Relaxed) >= 3, "each request resolves anew");
    // The twin: allowed by name, the same requests do arrive.
    let lax = guarded(&["rebinds.example"]);
    let (refused, arrived) = tokio::join!(lax.get(&address), inside.accept());
    assert!(refused.is_err() && arrived.is_ok(), "no TLS is spoken there, but somebody came");
}

#[tokio::test]
async fn a_host_that_never_answers_takes_nobody_else_s_place() {
    let ((_silent, silent_port), (other, other_port)) = (listener().await, listener().await);
    let outgoing = resolved_by(&["silent.example", "other.example"], here, AT_ONCE);
    let mut asking = JoinSet::new();
    for n in 0..2 * AT_ONCE {
        let outgoing = outgoing.clone();
        let address = format!("https://silent.example:{silent_port}/{n}");
        asking.spawn(async move { outgoing.get(&address).await });
    }
    sleep(Duration::from_millis(100)).await;
    let address = format!("https://other.example:{other_port}/");
    let coming = timeout(Duration::from_millis(500), other.accept());
    let arrived = tokio::select! {
        arrived = coming => arrived.is_ok(),
        _ = outgoing.get(&address) => false,
    };
    assert!(arrived, "nobody came to the other host");
    // In no spelling has a host more places than two.
    let address = format!("https://SILENT.example.:{silent_port}/");
    let waited = Instant::now();
    assert!(matches!(outgoing.get(&address).await, Err(OutgoingError::Busy)));
    assert!(waited.elapsed() < Duration::from_millis(1500), "{:?}", waited.elapsed());
}

#[tokio::test]
async fn the_time_for_an_answer_begins_with_the_place() {
    let (silent, port) = listener().await;
    let outgoing = resolved_by(&["silent.example"], here, 1);
    let address = format!("https://silent.example:{port}/");
    // The first is dropped soon, the second never: it has its whole time from then on.
    let drops = async {
        let (first, _) = silent.accept().await.expect("a connection");
        sleep(Duration::from_millis(700)).await;
        drop(first);
        silent.accept().await.expect("a connection")
    };
    let asks = async {
        sleep(Duration::from_millis(50)).await;
        let started = Instant::now();
        assert!(outgoing.get(&address).await.is_err());
        started.elapsed()
    };
    let (first, second, _held) = tokio::join!(outgoing.get(&address), asks, drops);
    assert!(first.is_err());
    assert!(second > LIMIT + Duration::from_millis(500), "{second:?}");
}

/// The system's resolver cannot be told to stop: a lookup has its place for as long as it goes on, whoever waits for it.
#[tokio::test]
async fn lookups_that_do_not_end_do_not_pile_up() {
    static UNDER_WAY: AtomicUsize = AtomicUsize::new(0);
    let (other, port) = listener().await;
    let endless = |name: String| async move {
        if name.starts_with("endless") {
            UNDER_WAY.fetch_add(1, Ordering::SeqCst);
            let looking = tokio::spawn(sleep(Duration::from_mins(1)));
            looking.await.expect("no panic");
        }
        here(name).await
    };
    let outgoing = resolved_by(&["endless.example", "other.example"], endless, AT_ONCE);
    for _ in 0..2 {
        let get = || outgoing.get("https://endless.example/");
        let (one, two) = tokio::join!(get(), get());
        assert!(one.is_err() && two.is_err());
    }
    assert_eq!(UNDER_WAY.load(Ordering::SeqCst), 2, "of four");
    let address = format!("https://other.example:{port}/");
    let (refused, arrived) = tokio::join!(
        timeout(Duration::from_millis(500), outgoing.get(&address)),
        timeout(Duration::from_millis(500), other.accept())
    );
    drop(refused);
    assert!(arrived.is_ok_and(|arrived| arrived.is_ok()), "other names are looked up");
}
