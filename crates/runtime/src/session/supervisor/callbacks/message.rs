//! The calls from Python to the host, as they come over the wire: `{"method", "params", "progress"}`.

use std::path::PathBuf;

use serde::de::Error;
use serde::{Deserialize, Deserializer};
use serde_json::value::RawValue;

use crate::worker::passed_json::is_object;

/// A JSON object, as it came: it is passed on to clients, within another.
#[derive(Clone, Copy, Debug)]
pub(crate) struct RawObject<'a>(&'a str);

impl<'a> RawObject<'a> {
    pub(crate) fn get(self) -> &'a str {
        self.0
    }
}

impl<'de: 'a, 'a> Deserialize<'de> for RawObject<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<RawObject<'a>, D::Error> {
        let json = <&RawValue>::deserialize(deserializer)?.get();
        if is_object(json.as_bytes()) { Ok(RawObject(json)) } else { Err(Error::custom("an object was expected")) }
    }
}

/// A call from Python that concerns the client of the request it belongs to.
#[derive(Debug, Deserialize)]
#[serde(tag = "method", content = "params", rename_all = "lowercase")]
pub(crate) enum ClientMessage<'a> {
    /// Show it an object: `{"data", "metadata"?, "displayId"?, "isUpdate"?}`.
    #[serde(borrow)]
    Display(RawObject<'a>),
    /// Tell it of a log record.
    #[serde(borrow)]
    Log(RawObject<'a>),
    /// Tell it how far the code is.
    #[serde(borrow)]
    Progress(RawObject<'a>),
    /// Ask it for a line: `{"prompt", "password"?}`.
    #[serde(borrow)]
    Input(RawObject<'a>),
    /// Ask it for the result of a callback: `{"name", "nested", "args", "kwargs"}`.
    #[serde(borrow)]
    Callback(RawObject<'a>),
    /// Ask for the result of a callback that is kept, over this subscription.
    #[serde(rename = "kept_callback")]
    KeptCallback {
        over: String,
        #[serde(borrow)]
        callback: RawObject<'a>,
    },
    /// Keep a callback: of the client with this subscription, else of the only subscriber that answers callbacks.
    #[serde(rename = "keep_callback")]
    KeepCallback { over: Option<String> },
    /// A debugger holds a thread of the call, or does not any more.
    Held(bool),
    /// Clear what the call has shown; with `wait`, not before the call shows something else.
    #[serde(rename = "clear_output")]
    ClearOutput { wait: bool },
}

/// A call from Python that concerns the host.
#[derive(Debug, Deserialize)]
#[serde(tag = "method", content = "params", rename_all_fields = "camelCase")]
pub(crate) enum HostCall {
    #[serde(rename = "venv.ensure_provider")]
    EnsureProvider { provider: String, model_id: Option<String> },
    #[serde(rename = "venv.ensure_engine")]
    EnsureEngine { engine: String },
    #[serde(rename = "venv.provider_name")]
    ProviderName { provider: String, model_id: Option<String> },
    #[serde(rename = "venv.registered")]
    RegisteredEnvironment { provider: String, model_id: Option<String> },
    #[serde(rename = "venv.create")]
    CreateEnvironment { name: String },
    #[serde(rename = "venv.list")]
    ListEnvironments {},
    #[serde(rename = "venv.status")]
    EnvironmentStatus { name: String },
    #[serde(rename = "venv.install")]
    Install { name: String, packages: Vec<String> },
    #[serde(rename = "venv.uninstall")]
    Uninstall { name: String, packages: Vec<String> },
    /// `file` is where the lock goes.
    #[serde(rename = "venv.lock")]
    Lock { name: String, file: Option<PathBuf> },
    /// `file` is the lock.
    #[serde(rename = "venv.sync")]
    Sync { name: String, file: Option<PathBuf> },
    /// `to` is the name of the copy.
    #[serde(rename = "venv.clone")]
    Clone { name: String, to: String },
    #[serde(rename = "venv.repair")]
    Repair { name: String, python: Option<String> },
    #[serde(rename = "venv.delete")]
    DeleteEnvironment { name: String },

    #[serde(rename = "provider.list")]
    ListProviders {},
    #[serde(rename = "provider.status")]
    ProviderStatus { provider: String, model_id: Option<String> },
    #[serde(rename = "provider.accelerator")]
    Accelerator {},
    #[serde(rename = "provider.mark_feature")]
    MarkFeature { provider: String, feature: String },
    #[serde(rename = "provider.has_feature")]
    HasFeature { provider: String, feature: String },
    /// `package` is one that was installed by other means, and its version.
    #[serde(rename = "provider.tracked")]
    TrackedPackages { provider: String, package: Option<(String, String)> },

    #[serde(rename = "runtime.install")]
    InstallRuntime { version: Option<String> },
    #[serde(rename = "runtime.use")]
    UseRuntime { name: String },
    #[serde(rename = "runtime.list")]
    ListRuntimes {},
}

/// What a call says beside its method.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct HostCallOptions {
    /// Whether Python wants to hear of the progress.
    #[serde(default)]
    pub(crate) progress: bool,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<HostCall, serde_json::Error> {
        serde_json::from_str(text)
    }

    #[test]
    fn parameters_of_client_calls_pass_through_unread() {
        let text = r#"{"method":"display","params":{"data": {"text/plain":"1"}},"progress":false}"#;
        let call = serde_json::from_str::<ClientMessage<'_>>(text);
        assert!(
            matches!(call, Ok(ClientMessage::Display(params)) if params.get() == r#"{"data": {"text/plain":"1"}}"#)
        );
    }

    #[test]
    fn parameters_have_names_in_camel_case_and_unknown_ones_are_ignored() {
        let call =
            read(r#"{"method":"venv.ensure_provider","params":{"provider":"p","modelId":"m","x":1},"progress":true}"#);
        assert!(matches!(
            call,
            Ok(HostCall::EnsureProvider { provider, model_id: Some(model) }) if provider == "p" && model == "m"
        ));
    }

    #[test]
    fn optional_parameters_may_be_absent_or_null() {
        for params in [r#"{"name":"e"}"#, r#"{"name":"e","file":null}"#] {
            let text = format!(r#"{{"method":"venv.lock","params":{params},"progress":false}}"#);
            assert!(matches!(read(&text), Ok(HostCall::Lock { file: None, .. })), "{params}");
        }
        assert!(matches!(read(r#"{"method":"venv.list","params":{}}"#), Ok(HostCall::ListEnvironments {})));
    }

    #[test]
    fn missing_parameter_is_named() {
        let error = read(r#"{"method":"venv.install","params":{"name":"e"}}"#).expect_err("no packages");
        assert!(error.to_string().contains("packages"), "{error}");
    }

    #[test]
    fn unknown_method_is_named() {
        let error = read(r#"{"method":"venv.paint","params":{}}"#).expect_err("no such method");
        assert!(error.to_string().contains("venv.paint"), "{error}");
    }

    #[test]
    fn what_goes_into_an_event_is_an_object() {
        for method in ["display", "log", "progress", "input", "callback"] {
            for (params, is_read) in [(r#"{"a":1}"#, true), ("{}", true), ("{ }", false), ("[1]", false), ("1", false)]
            {
                let call = format!(r#"{{"method":"{method}","params":{params}}}"#);
                assert_eq!(serde_json::from_str::<ClientMessage<'_>>(&call).is_ok(), is_read, "{call}");
            }
        }
    }
}
