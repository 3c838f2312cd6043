//! Exceptions, printed for people.

use beep_python_protocol::PythonException;
use serde_json::json;

fn exception(json: serde_json::Value) -> PythonException {
    serde_json::from_value(json).unwrap()
}

#[test]
fn the_summary_is_one_line() {
    assert_eq!(exception(json!({"type": "ValueError", "message": "bad"})).to_string(), "ValueError: bad");
    assert_eq!(exception(json!({"type": "KeyboardInterrupt"})).to_string(), "KeyboardInterrupt");
}

#[test]
fn the_report_is_what_python_wrote() {
    let error = exception(json!({"type": "ValueError", "message": "bad", "text": "Traceback …\nValueError: bad"}));
    assert_eq!(
        (error.to_string(), format!("{error:#}")),
        ("ValueError: bad".into(), "Traceback …\nValueError: bad".into())
    );
}

#[test]
fn without_that_it_has_the_traceback_its_cause_and_its_notes() {
    let error = exception(json!({
        "type": "RuntimeError", "message": "second", "suggestion": "Did you mean: 'x'?", "notes": ["a note"],
        "traceback": [
            {"file": "<session 1>", "line": 3, "function": "<module>", "code": "f()"},
            {"file": "lib.py", "line": 9, "function": "f", "code": "a.b", "caret": "  ^"}
        ],
        "cause": {"type": "KeyError", "message": "'a'", "traceback": []}
    }));
    assert_eq!(
        format!("{error:#}"),
        "KeyError: 'a'\n\nThe above exception was the direct cause of the following exception:\n\nTraceback (most recent call last):\n  \
         File \"<session 1>\", line 3, in <module>\n    f()\n  File \"lib.py\", line 9, in f\n    a.b\n      ^\n\
         RuntimeError: second. Did you mean: 'x'?\na note"
    );
}

#[test]
fn a_context_is_no_cause() {
    let error = exception(json!({"type": "KeyError", "message": "2", "context": {"type": "KeyError", "message": "1"}}));
    let between = "During handling of the above exception, another exception occurred:";
    assert_eq!(format!("{error:#}"), format!("KeyError: 1\n\n{between}\n\nKeyError: 2"));
}

#[test]
fn a_syntax_error_points_at_its_place() {
    let error = exception(json!({
        "type": "SyntaxError", "message": "invalid syntax",
        "syntax": {"file": "a.py", "line": 2, "column": 5, "text": "1 + + ", "caret": "    ^"}
    }));
    assert_eq!(format!("{error:#}"), "  File \"a.py\", line 2\n    1 + +\n        ^\nSyntaxError: invalid syntax");
}

#[test]
fn a_group_shows_its_members() {
    let error = exception(json!({
        "type": "ExceptionGroup", "message": "two (2 sub-exceptions)",
        "exceptions": [{"type": "ValueError", "message": "a"}, {"type": "TypeError", "message": "b"}]
    }));
    assert_eq!(
        format!("{error:#}"),
        "ExceptionGroup: two (2 sub-exceptions)\n  +- 1\n  | ValueError: a\n  +- 2\n  | TypeError: b"
    );
}
