//! The dashboard for Grafana shows what `/metrics` shows.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use beep_python_client::{Returned, connect};
use serde_json::Value;

use super::curl::ask;
use super::test_home::TestHome;

fn dashboard() -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards/grafana.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The labels of each metric of a page, by the name of its series.
fn series(page: &str) -> BTreeMap<String, BTreeSet<String>> {
    let mut all: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let labels = all.entry(name.to_owned()).or_default();
        labels.extend(rest.split(['{', ',']).filter_map(|part| Some(part.split_once("=\"")?.0.to_owned())));
    }
    all
}

/// The words of a query that are no text in quotes, each with what follows it.
fn words(query: &str) -> Vec<(String, char)> {
    let mut found = Vec::new();
    for (n, part) in query.split('"').enumerate() {
        if n % 2 == 1 {
            continue; // a value
        }
        let is_word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let mut rest = part;
        while let Some(start) = rest.find(is_word) {
            rest = &rest[start..];
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            found.push((rest[..end].to_owned(), rest[end..].chars().next().unwrap_or(' ')));
            rest = &rest[end..];
        }
    }
    found
}

fn is_metric(word: &str) -> bool {
    ["beep_", "rpc_server_", "process_"].iter().any(|prefix| word.starts_with(prefix))
}

fn strings<'a>(value: &'a Value, key: &str) -> Vec<&'a str> {
    match value {
        Value::Object(object) => object
            .iter()
            .flat_map(|(name, value)| match value.as_str() {
                Some(text) if name == key => vec![text],
                _ => strings(value, key),
            })
            .collect(),
        Value::Array(list) => list.iter().flat_map(|value| strings(value, key)).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn dashboard_asks_for_all_metrics_that_there_are_and_no_others() {
    let home = TestHome::with_runtime();
    let server = home.start(&[]);
    let url = server["endpoints"][0]["url"].as_str().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let client = connect(url).unwrap();
        client.evaluate::<i64>("6 * 7").await.unwrap();
        client.evaluate::<Returned>("1 / 0").await.unwrap_err();
    });
    ask(&format!("{url}/nowhere"), &[], None);
    let there = series(&ask(&format!("{url}/metrics"), &[], None).1);
    // Those of Prometheus itself.
    let labels: BTreeSet<&str> =
        there.values().flatten().map(String::as_str).chain(["job", "instance", "le"]).collect();
    let dashboard = dashboard();
    let queries: Vec<&str> = strings(&dashboard["panels"], "expr");
    let mut asked = BTreeSet::new();
    for query in queries.iter().copied().chain(strings(&dashboard["templating"], "query")) {
        for (word, next) in words(query) {
            if is_metric(&word) {
                assert!(there.contains_key(&word), "{word} of {query} is no metric:\n{there:#?}");
                asked.insert(word);
            } else if ['=', '!'].contains(&next) {
                assert!(labels.contains(word.as_str()), "{word} of {query} is no label");
            }
        }
        for list in query.split(" by (").skip(1) {
            for label in list.split(')').next().unwrap().split(", ") {
                assert!(labels.contains(label), "{label} of {query} is no label");
            }
        }
    }
    let family = |name: &str| {
        let of_histogram = ["_bucket", "_count", "_sum"].iter().find_map(|end| name.strip_suffix(end));
        of_histogram.unwrap_or(name).to_owned()
    };
    let asked: BTreeSet<_> = asked.iter().map(|name| family(name)).collect();
    let missing: Vec<_> = there.keys().map(|name| family(name)).filter(|name| !asked.contains(name)).collect();
    assert!(missing.is_empty(), "no panel shows {missing:?}");
}

#[test]
fn dashboard_is_one_of_grafana() {
    let dashboard = dashboard();
    for key in ["uid", "title", "description"] {
        assert!(dashboard[key].as_str().is_some_and(|text| !text.is_empty()), "{key}");
    }
    assert!(dashboard["schemaVersion"].as_u64() >= Some(36) && dashboard["id"].is_null(), "an id is of one Grafana");
    let variables: Vec<_> =
        dashboard["templating"]["list"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(variables, ["datasource", "job", "instance"]);
    let panels = dashboard["panels"].as_array().unwrap();
    let (mut ids, mut cells) = (BTreeSet::new(), BTreeSet::new());
    for panel in panels {
        let title = panel["title"].as_str().unwrap();
        assert!(ids.insert(panel["id"].as_u64().unwrap()), "{title}: the id is another panel's");
        let of_grid = |key: &str| panel["gridPos"][key].as_u64().unwrap();
        assert!(of_grid("x") + of_grid("w") <= 24, "{title}: the grid has 24 columns");
        for cell in (0..of_grid("w")).flat_map(|x| (0..of_grid("h")).map(move |y| (x, y))) {
            let cell = (of_grid("x") + cell.0, of_grid("y") + cell.1);
            assert!(cells.insert(cell), "{title} lies on another panel at {cell:?}");
        }
        let kind = panel["type"].as_str().unwrap();
        assert!(["row", "stat", "timeseries"].contains(&kind), "{title}: {kind}");
        let targets: &[Value] = panel["targets"].as_array().map_or(&[], |targets| targets);
        assert_eq!(targets.is_empty(), kind == "row", "{title}");
        let references: BTreeSet<_> = targets.iter().map(|target| target["refId"].as_str().unwrap()).collect();
        assert_eq!(references.len(), targets.len(), "{title}: two queries have one name");
        for target in targets {
            assert_eq!(target["datasource"]["uid"], "${datasource}", "{title}");
            let query = target["expr"].as_str().unwrap();
            assert!(query.contains("$instance") && query.contains("$job"), "{title}: {query}");
            let pairs = |open, close| query.matches::<char>(open).count() == query.matches::<char>(close).count();
            assert!(pairs('(', ')') && pairs('{', '}') && pairs('[', ']'), "{title}: {query}");
        }
    }
}
