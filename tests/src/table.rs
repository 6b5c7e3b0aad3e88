//! What is supported, endpoint by endpoint and client by client, as the documentation shows it.

use crate::{Check, Outcome};

/// The clients, in the order of the columns.
const CLIENTS: [&str; 6] =
    ["openai Python", "openai Node", "LiveKit", "Pipecat", "OpenAI Agents", "Chromium"];

/// The tables for these checks: one of the endpoints, then what each is checked for.
///
/// # Panics
/// If a check is by a client that has no column.
pub fn table(checks: &[Check]) -> String {
    for check in checks {
        assert!(CLIENTS.contains(&check.client.as_str()), "{} has no column", check.client);
    }
    let mut endpoints: Vec<&str> = Vec::new();
    for check in checks {
        if !endpoints.contains(&check.endpoint.as_str()) {
            endpoints.push(&check.endpoint);
        }
    }
    endpoints.sort_by_key(|endpoint| rank(endpoint));
    let of = |endpoint: &str| -> Vec<&Check> {
        checks.iter().filter(|check| check.endpoint == endpoint).collect()
    };
    let mut text = row(&[&["endpoint"], &CLIENTS[..]].concat());
    text += &row(&["---"; CLIENTS.len() + 1]);
    for endpoint in &endpoints {
        let cells: Vec<String> = CLIENTS.iter().map(|client| cell(client, &of(endpoint))).collect();
        let cells: Vec<&str> = cells.iter().map(String::as_str).collect();
        text += &row(&[&[code(endpoint).as_str()], &cells[..]].concat());
    }
    for endpoint in &endpoints {
        text += &details(endpoint, &of(endpoint));
    }
    text
}

/// Routes first, in the alphabet, then what concerns all of them.
fn rank(endpoint: &str) -> (bool, String) {
    let path = endpoint.find('/').and_then(|at| endpoint.get(at..));
    (path.is_none(), format!("{} {endpoint}", path.unwrap_or_default()))
}

/// How many checks of a client work, and what is refused or not there.
fn cell(client: &str, checks: &[&Check]) -> String {
    let count = |outcome| {
        checks.iter().filter(|check| check.client == client && check.outcome == outcome).count()
    };
    let named = [(Outcome::Works, "works"), (Outcome::Refused, "400"), (Outcome::Absent, "404")];
    let parts = named.map(|(outcome, name)| match count(outcome) {
        0 => String::new(),
        1 if outcome == Outcome::Absent => name.to_owned(),
        count => format!("{name} ({count})"),
    });
    parts.into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join(", ")
}

/// What an endpoint is checked for, and by whom.
fn details(endpoint: &str, checks: &[&Check]) -> String {
    let mut claims: Vec<(&str, Outcome, Vec<&str>)> = Vec::new();
    for check in checks {
        let known = claims.iter_mut().find(|(claim, ..)| *claim == check.check);
        match known {
            Some((_, _, clients)) => clients.push(&check.client),
            None => claims.push((&check.check, check.outcome, vec![&check.client])),
        }
    }
    let mut text = format!("\n### {}\n\n", code(endpoint));
    text += &row(&["", "what is checked", "by"]);
    text += &row(&["---"; 3]);
    for (claim, outcome, clients) in claims {
        let outcome = match outcome {
            Outcome::Works => "works",
            Outcome::Refused => "400",
            Outcome::Absent => "404",
        };
        text += &row(&[outcome, claim, &clients.join(", ")]);
    }
    text
}

fn code(endpoint: &str) -> String {
    if endpoint.contains('/') { format!("`{endpoint}`") } else { endpoint.to_owned() }
}

fn row(cells: &[&str]) -> String {
    format!(
        "| {} |\n",
        cells.iter().map(|cell| cell.replace('|', "\\|")).collect::<Vec<_>>().join(" | ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(client: &str, endpoint: &str, check: &str, outcome: Outcome) -> Check {
        let [client, endpoint, check] = [client, endpoint, check].map(str::to_owned);
        Check { client, endpoint, check, outcome, ok: true, detail: String::new() }
    }

    #[test]
    fn a_table_counts_and_then_tells_the_claims() {
        let made = table(&[
            check("openai Python", "errors", "told", Outcome::Works),
            check("openai Python", "POST /v1/b", "it | works", Outcome::Works),
            check("LiveKit", "POST /v1/b", "it | works", Outcome::Works),
            check("openai Python", "POST /v1/b", "too much", Outcome::Refused),
            check("openai Node", "GET /v1/a", "pictures", Outcome::Absent),
        ]);
        let lines: Vec<&str> = made.lines().collect();
        assert_eq!(lines[2], "| `GET /v1/a` |  | 404 |  |  |  |  |");
        assert_eq!(lines[3], "| `POST /v1/b` | works (1), 400 (1) |  | works (1) |  |  |  |");
        assert_eq!(lines[4], "| errors | works (1) |  |  |  |  |  |");
        assert!(made.contains("\n### `POST /v1/b`\n"));
        assert!(made.contains("| works | it \\| works | openai Python, LiveKit |\n"));
        assert!(made.contains("| 404 | pictures | openai Node |\n"));
    }

    #[test]
    #[should_panic(expected = "Somebody has no column")]
    fn every_client_has_a_column() {
        table(&[check("Somebody", "GET /v1/a", "it works", Outcome::Works)]);
    }
}
