//! The table of values: Python code, what it is in the plain form, and in the exact one.

use beep_python_protocol::ValueForm;

use crate::http::Connection;
use crate::server::Server;

/// Reads the table, and evaluates every example of it in both forms.
pub fn check(document: &str, server: &Server) {
    let table = document.split("| Python | plain | exact |\n").nth(1).expect("the table");
    let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
    let mut checked = 0;
    for row in rows {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").map(str::trim).collect();
        let [python, plain, exact] = cells[..] else { panic!("{row} does not have three cells") };
        let codes = quoted(python);
        for (form, cell) in [(ValueForm::Plain, plain), (ValueForm::Exact, exact)] {
            let cell = if cell.starts_with("the same") { plain } else { cell };
            if cell.starts_with("a handle") {
                codes
                    .iter()
                    .for_each(|code| assert!(answer(server, code, form).contains(r#""isHandle":true"#), "{code}"));
                continue;
            }
            let expected = quoted(cell);
            for (code, expected) in codes.iter().zip(&expected) {
                let start = format!(r#"{{"value":{},"sessionEpoch":"#, expected.replace(": ", ":").replace(", ", ","));
                let answer = answer(server, code, form);
                assert!(answer.starts_with(&start), "{code} is {answer}, and not {expected}");
                checked += 1;
            }
            assert!(expected.len() >= codes.len(), "{row} leaves something open");
        }
    }
    assert!(checked > 40, "only {checked} values are there");
}

fn quoted(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

fn answer(server: &Server, code: &str, form: ValueForm) -> String {
    let names = "import http\nfrom collections import *\nfrom datetime import *\nfrom decimal import Decimal\n\
                 from fractions import Fraction\nfrom math import inf, nan\nfrom pathlib import Path\n\
                 from types import SimpleNamespace\nfrom uuid import UUID\n";
    let body = serde_json::json!({ "expression": format!("{names}{code}"), "values": form.as_str() }).to_string();
    String::from_utf8(Connection::open(server.http).post("/api/eval", &[], &body).body).expect("text")
}
