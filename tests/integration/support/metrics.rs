//! What a server says of itself on `/metrics`.

/// The whole text.
pub async fn text(health_url: &str) -> String {
    let answer = reqwest::get(format!("{health_url}/metrics")).await.expect("an answer");
    assert_eq!(answer.status(), 200);
    answer.text().await.expect("text")
}

/// The sum of the lines of this name that have all of these labels (`name="value"`); 0 when there is none. Servers of
/// one test process count together: a region of its own tells a test's from the others'.
pub async fn value(health_url: &str, name: &str, labels: &[&str]) -> f64 {
    values(health_url, name, labels).await.iter().filter_map(|value| value.parse::<f64>().ok()).sum()
}

/// The same of what is counted.
pub async fn count(health_url: &str, name: &str, labels: &[&str]) -> u64 {
    values(health_url, name, labels).await.iter().filter_map(|value| value.parse::<u64>().ok()).sum()
}

async fn values(health_url: &str, name: &str, labels: &[&str]) -> Vec<String> {
    let text = text(health_url).await;
    let lines = text.lines().filter(|line| {
        let rest = line.strip_prefix(name).unwrap_or_default();
        rest.starts_with(['{', ' ']) && labels.iter().all(|label| rest.contains(label))
    });
    lines.filter_map(|line| Some(line.rsplit_once(' ')?.1.to_owned())).collect()
}
