//! Anybody may ask for status lists, and for some that there are not: that costs Postgres a bounded number of questions, and
//! keeps no list from who needs it.

use std::time::{Duration, Instant};

use futures_util::future::{join, join_all};
use reqwest::Method;
use serde_json::json;

use crate::support::client_key::now;
use crate::support::scene::Scene;
use crate::support::status_list::{Place, fetch};
use crate::support::stores::{run_sql, sql_value};

/// For how long a list is shown without another question.
const FRESH: Duration = Duration::from_secs(5);

/// Makes a function of the database slow, and counts in the sequence `asked` how often it is called.
async fn slow(scene: &Scene, function: &str, of: &str, seconds: &str, before: &str) {
    let out = match of {
        "" => "RETURN quick()",
        _ => "SELECT q.given, q.good INTO given, good FROM quick(p_list) q",
    };
    let statements = format!(
        "CREATE SEQUENCE asked;
         DO $do$ BEGIN
             EXECUTE replace(pg_get_functiondef('{function}({of})'::regprocedure), '{function}', 'quick');
             EXECUTE regexp_replace(pg_get_functiondef('{function}({of})'::regprocedure),
                 ' LANGUAGE sql.*$', $new$ LANGUAGE plpgsql SECURITY DEFINER AS $body$ BEGIN
                     PERFORM nextval('public.asked'); {before} PERFORM pg_sleep({seconds}); {out}; END $body$ $new$);
         END $do$"
    );
    run_sql(&scene.database_url, &statements).await;
}

/// How often it was called.
async fn asked(scene: &Scene) -> u64 {
    let count = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM asked";
    sql_value(&scene.database_url, count).await.expect("a count").parse().expect("a number")
}

#[tokio::test]
async fn an_address_may_ask_for_so_many_lists_and_others_are_served() {
    let settings = json!({ "trusted_proxies": "127.0.0.0/8", "address_status_lists_per_minute": 40 });
    let scene = Scene::with(&settings).await;
    let place = Place::of(&scene.admin_token().await);
    let list = &place.uri[place.uri.find("/status-lists/").expect("a path")..];
    let get = async |from: &str, path: &str| {
        let request = scene.client.request(Method::GET, path).header("x-forwarded-for", from);
        scene.client.send(request).await
    };
    for path in ["/status-lists", list].repeat(20) {
        get("203.0.113.66", path).await.expect(200);
    }
    for path in ["/status-lists", list, "/status-lists/1", "/status-lists/x"] {
        let refused = get("203.0.113.66", path).await.expect(429);
        assert_eq!(refused.code(), "temporarily_unavailable");
        assert!(!refused.header("retry-after").is_empty());
        assert!(refused.header("ratelimit-policy").starts_with("\"address_status_lists\";q=40"));
        get("203.0.113.67", path).await;
    }
    get("203.0.113.67", list).await.expect(200);
}

#[tokio::test]
async fn names_that_might_be_new_cost_one_question_in_200_ms_and_keep_nobody_waiting() {
    let scene = Scene::new().await;
    let place = Place::of(&scene.admin_token().await);
    fetch(&scene.client, &place.uri).await.expect(200);
    slow(&scene, "list_status_lists", "", "0.1", "").await;
    let started = Instant::now();
    let until = started + FRESH + Duration::from_secs(2);
    let guessing = join_all((0..40_i64).map(|who| {
        let client = scene.client.clone();
        async move {
            let mut guess = (now() + 60) * 1_000_000 + who;
            while Instant::now() < until {
                guess += 1_000;
                fetch(&client, &format!("http://x/status-lists/{guess}")).await.expect(404);
            }
        }
    }));
    let reading = async {
        let mut longest = Duration::ZERO;
        while Instant::now() < until {
            let asked = Instant::now();
            fetch(&scene.client, &place.uri).await.expect(200);
            longest = longest.max(asked.elapsed());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        longest
    };
    let (_, longest) = join(guessing, reading).await;
    assert!(longest < Duration::from_secs(1), "a good list took {longest:?}");
    let most = u64::try_from(started.elapsed().as_millis() / 200).expect("few") + 2;
    let asked = asked(&scene).await;
    assert!(asked > 1 && asked <= most, "{asked} questions, {most} at most");
}

#[tokio::test]
async fn the_list_of_before_is_shown_while_another_is_made_and_one_is_made_for_all() {
    let scene = Scene::new().await;
    let account = scene.account("gone").await;
    let place = Place::of(&scene.token_of(&account, &[]).await);
    let before = fetch(&scene.client, &place.uri).await.expect(200).bytes;
    scene.send(Method::DELETE, &account.secret_path(), &[], None).await.expect(200);
    slow(&scene, "read_status_list", "bigint", "1.2", "").await;
    tokio::time::sleep(FRESH + Duration::from_millis(500)).await;
    let started = Instant::now();
    let answers = join_all((0..20).map(|_| fetch(&scene.client, &place.uri))).await;
    assert!(started.elapsed() < Duration::from_secs(1), "{:?}", started.elapsed());
    assert!(answers.into_iter().all(|answer| answer.expect(200).bytes == before));
    tokio::time::sleep(Duration::from_millis(1500)).await;
    assert!(place.is_set(&scene.client).await, "the one that was made meanwhile");
    assert_eq!(asked(&scene).await, 1);
}

/// And by whoever asks for the first time, it is waited for: there is none of before.
#[tokio::test]
async fn three_lists_are_made_at_once_and_no_more() {
    let scene = Scene::with(&json!({ "database_connections": 20 })).await;
    let many = "INSERT INTO status_list SELECT n, 5, 0, 0, 0, 0 FROM generate_series(1, 9) n";
    run_sql(&scene.database_url, many).await;
    let count = "FOR n IN 1..9 LOOP IF pg_try_advisory_xact_lock(4711, n) THEN
        PERFORM setval('public.most', greatest(n, (SELECT last_value FROM public.most))); EXIT; END IF; END LOOP;";
    run_sql(&scene.database_url, "CREATE SEQUENCE most").await;
    slow(&scene, "read_status_list", "bigint", "0.3", count).await;
    let lists: Vec<String> = (1..=9).map(|n| format!("http://x/status-lists/{n}")).collect();
    let started = Instant::now();
    let answers = join_all([&lists[..], &lists[..]].concat().iter().map(|list| {
        let (client, list) = (scene.client.clone(), list.clone());
        async move { fetch(&client, &list).await.status }
    }))
    .await;
    assert!(answers.iter().all(|status| *status == 200), "{answers:?} {:?}", started.elapsed());
    assert_eq!(asked(&scene).await, 9, "each once");
    let most = sql_value(&scene.database_url, "SELECT last_value FROM most").await;
    assert_eq!(most.as_deref(), Some("3"));
}
