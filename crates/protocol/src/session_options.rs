//! The options and limits of sessions.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::known_keys::{from_json_object, known_keys};

/// The id of the session that a server begins with, which takes the calls that name none.
pub const DEFAULT_SESSION: &str = "default";

/// The body of `POST /api/sessions`. An absent option has the server's default.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct SessionOptions {
    /// The environment, by name or by the path of its folder; the server's own when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub environment: Option<String>,
    /// The Python: a version such as `3.12` or `>=3.11`, or the path of one. Without an environment, the session runs in one that is
    /// kept for that Python; with one, that environment must have it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub python: Option<String>,
    /// Modules to import before the session begins: once for all sessions with the same list.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub preload: Option<Vec<String>>,
    /// Variables of the environment of each of its workers, over those of the server; `None` removes one.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub env: BTreeMap<String, Option<String>>,
    /// Code that each of its workers runs before its first call. If it fails, so does the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub setup: Option<String>,
    /// The session ends after so long without a call, in milliseconds; never when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idle_timeout_ms: Option<u64>,
    /// How long its end may take once it is deleted or restarted, in milliseconds: its threads, its functions of `atexit`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub drain_ms: Option<u64>,
    /// Labels of the client, which the host only repeats.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
    /// The limits of its calls.
    #[serde(skip_serializing_if = "Limits::is_empty", deserialize_with = "known_keys")]
    pub limits: Limits,
}

/// The limits of the calls of a session. An absent limit has the server's default.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Limits {
    /// The deadline of calls that have none of their own, waiting included, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub timeout_ms: Option<u64>,
    /// How long an interrupted call may take to stop before its worker is killed, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub grace_ms: Option<u64>,
    /// The processor time of a call, in all threads and processes of the session, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// The resident memory of all processes of the session together; at least 32 MiB.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// The number of processes of the session, its worker included.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processes: Option<u64>,
    /// The number of handles of the session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handles: Option<u64>,
    /// How much of a call's standard output, and of its standard error, is kept. A mark replaces the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// The size of a result, and of each item of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
    /// The bytes of the arrays, tables and other data that the session holds outside of Python's own memory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_bytes: Option<u64>,
    /// The number of such data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub data_count: Option<u64>,
    /// The number of open file descriptors of each process.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub open_files: Option<u64>,
    /// The number of waiting calls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub waiting: Option<u64>,
}

/// The limits of one call, beside its deadline and grace. The session's limits still apply; the smaller value of the two
/// holds.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(deny_unknown_fields))]
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct CallLimits {
    /// Its processor time, in all threads and processes of its session, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cpu_ms: Option<u64>,
    /// The growth of the resident memory of all processes of its session together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory_growth_bytes: Option<u64>,
    /// The number of handles that it creates.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handles: Option<u64>,
    /// How much of its standard output, and of its standard error, is kept. A mark replaces the rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_bytes: Option<u64>,
    /// The size of its result, and of each item of a stream.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub result_bytes: Option<u64>,
}

impl CallLimits {
    /// Whether all are absent.
    pub fn is_empty(&self) -> bool {
        *self == CallLimits::default()
    }
}

impl Limits {
    /// Whether all are absent.
    pub fn is_empty(&self) -> bool {
        *self == Limits::default()
    }
}

impl SessionOptions {
    /// Reads the options from a JSON object, which has no other keys.
    pub fn from_json(json: &[u8]) -> serde_json::Result<SessionOptions> {
        from_json_object(json, |_| false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::from_json_object;

    fn refused(json: &str) -> String {
        SessionOptions::from_json(json.as_bytes()).expect_err("refused").to_string()
    }

    #[test]
    fn unknown_key_is_refused_with_the_one_that_was_meant() {
        for (wrong, meant) in
            [("enviroment", "environment"), ("idle_timeout_ms", "idleTimeoutMs"), ("Preload", "preload")]
        {
            let told = refused(&format!("{{\"{wrong}\": null}}"));
            assert!(told.contains(&format!("there is no key '{wrong}'; did you mean '{meant}'?")), "{told}");
        }
        let told = refused(r#"{"limits": {"memory_byte": 1}}"#);
        assert!(told.contains("did you mean 'memoryBytes'?"), "{told}");
        let told = refused(r#"{"limits": {"memory": 1}}"#);
        assert!(told.contains("did you mean 'memoryBytes'?"), "{told}");
        let told = refused(r#"{"colour": 1}"#);
        assert!(told.contains("the keys are 'environment', 'python'"), "{told}");
    }

    #[test]
    fn keys_that_are_named_may_stand_beside() {
        let json = br#"{"session": "s1", "sessionId": {"a": [1]}, "cpuMs": 5}"#;
        let read: CallLimits = from_json_object(json, |key| key == "sessionId" || key == "session").expect("read");
        assert_eq!(read, CallLimits { cpu_ms: Some(5), ..CallLimits::default() });
    }

    #[test]
    fn only_an_object_is_read() {
        for wrong in ["[]", "1", "null", "{} {}", "{"] {
            SessionOptions::from_json(wrong.as_bytes()).expect_err(wrong);
            from_json_object::<CallLimits>(wrong.as_bytes(), |_| false).expect_err(wrong);
        }
    }
}
