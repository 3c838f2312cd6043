//! PROTOCOL.md and the code say the same.

use beep_python_protocol::{CallOption, ErrorCode, HostOperation, Operation, Problem, Value};

const DOCUMENT: &str = include_str!("../PROTOCOL.md");

#[test]
fn every_error_code_is_listed_with_its_statuses() {
    for code in ErrorCode::ALL {
        let row = format!("| `{}` | {} | {} | ", code.as_str(), code.http_status(), code.grpc_code().as_str());
        assert_eq!(DOCUMENT.matches(&row).count(), 1, "PROTOCOL.md must have one row that begins with {row}");
    }
    let listed = DOCUMENT.lines().filter(|line| {
        let mut cells = line.split('|').skip(1).map(str::trim);
        cells.next().is_some_and(|code| code.starts_with('`'))
            && cells.next().is_some_and(|status| status.parse::<u16>().is_ok())
    });
    assert_eq!(listed.count(), ErrorCode::ALL.len(), "PROTOCOL.md lists a code that is none");
}

#[test]
fn every_route_is_listed() {
    for operation in Operation::ALL {
        let route = format!("| `POST {}` |", operation.http_path());
        assert!(DOCUMENT.contains(&route), "{route}");
        assert_eq!(Operation::from_http_path(operation.http_path()), Some(operation));
        let command = operation.pipe_command();
        assert!(DOCUMENT.contains(&format!("`{command}`")), "{command}");
        assert_eq!(Operation::from_pipe_command(command), Some(operation));
    }
    for operation in HostOperation::ALL {
        let route = format!("| `{} {}`", operation.http_method(), operation.http_path());
        assert!(DOCUMENT.contains(&route), "{route}");
        let command = operation.pipe_command();
        assert!(DOCUMENT.contains(&format!("`{command}`")), "{command}");
        assert_eq!(HostOperation::from_pipe_command(command), Some(operation));
    }
}

#[test]
fn every_call_option_is_listed_with_its_names() {
    let (_, table) = DOCUMENT.split_once("| option | header |").expect("the table of call options");
    let rows: Vec<&str> = table.lines().skip(2).take_while(|line| line.starts_with('|')).collect();
    for option in CallOption::all() {
        let key = format!("| `{}` |", option.key());
        let row = rows.iter().find(|row| row.contains(&key)).unwrap_or_else(|| panic!("no row has the key {key}"));
        let names: Vec<String> = row.split('`').skip(1).step_by(2).map(str::to_lowercase).collect();
        let has = |name: &str| names.iter().any(|quoted| quoted.split(':').next() == Some(name));
        assert!(has(option.header()) && has(option.metadata()), "{row}");
    }
    assert_eq!(rows.len(), CallOption::all().count());
}

#[test]
fn the_exact_values_of_the_table_are_values() {
    let mut tags = Vec::new();
    for line in DOCUMENT.lines().filter(|line| line.contains("{\"$")) {
        for quoted in line.split('`').skip(1).step_by(2).filter(|quoted| quoted.starts_with("{\"$")) {
            if quoted.contains("<handleId>") || quoted.contains("$data") {
                continue;
            }
            let value: Value = serde_json::from_str(quoted).unwrap_or_else(|error| panic!("{quoted}: {error}"));
            if !matches!(value, Value::Float(number) if number.is_nan()) {
                let written = serde_json::to_string(&value).unwrap();
                assert_eq!(written, quoted.replace(": ", ":").replace(", ", ","));
            }
            tags.push(quoted.split('"').nth(1).unwrap().to_owned());
        }
    }
    for tag in [
        "$int",
        "$float",
        "$complex",
        "$str",
        "$bytes",
        "$bytearray",
        "$tuple",
        "$set",
        "$frozenset",
        "$dict",
        "$decimal",
        "$date",
        "$datetime",
        "$time",
        "$timedelta",
        "$uuid",
        "$path",
        "$enum",
        "$slice",
        "$ellipsis",
        "$result",
        "$handle",
    ] {
        assert!(tags.iter().any(|listed| listed == tag), "{tag} is not in the table");
    }
}

#[test]
fn the_example_of_an_exception_can_be_read() {
    let examples = DOCUMENT.split("\n< {\n").skip(1).map(|rest| rest.split("\n< }").next().unwrap());
    let example = examples.map(|lines| format!("{{{}}}", lines.replace("\n< ", "\n").trim_start_matches("< ")));
    let mut example = example.map(|json| json.replace(r#"["…"]"#, "[]"));
    let example = example.find(|json| json.contains(r#""code": "python_exception""#)).expect("an example");
    let problem: Problem = serde_json::from_str(&example).unwrap();
    assert_eq!(problem.exception.unwrap().cause.unwrap().kind, "KeyError");
}

#[test]
fn codes_read_and_write_the_words_that_they_show() {
    for code in ErrorCode::ALL {
        let json = serde_json::to_string(code).unwrap();
        assert_eq!(json, format!("\"{code}\""));
        assert_eq!(serde_json::from_str::<ErrorCode>(&json).unwrap(), *code);
    }
}
