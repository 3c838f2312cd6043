//! Call options: what a call says beside its request, and the name of each option on every wire.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::option_value::{Json, JsonSeed, OptionValue, Place, format_grpc_timeout, parse_grpc_timeout};
use crate::{CallLimits, Capabilities, ErrorCode, Operation, Problem, ValueForm};

/// What a call says beside its request. An absent option has the server's or the session's default.
///
/// As JSON, the options stand beside the keys of a request; unknown keys are skipped. As HTTP headers and gRPC metadata,
/// each option is a text of its own: see [`CallOption`] for the names.
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[cfg_attr(feature = "schema", schemars(rename_all = "camelCase"))]
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallOptions {
    /// The session in which the call runs; the server's default session when absent.
    pub session: Option<Arc<str>>,
    /// The name by which the call can be cancelled. It must differ from those of other calls in progress.
    pub request_id: Option<Arc<str>>,
    /// How long the call may take from its arrival, waiting included.
    #[cfg_attr(feature = "schema", schemars(rename = "timeoutMs", with = "Option<u64>"))]
    pub timeout: Option<Duration>,
    /// How long the call may take to stop when it is interrupted, before its worker is killed; zero kills at once.
    #[cfg_attr(feature = "schema", schemars(rename = "graceMs", with = "Option<u64>"))]
    pub grace: Option<Duration>,
    /// What the call may consume.
    pub limits: Option<Arc<CallLimits>>,
    /// How long the handles that the call creates may be unused before they are released.
    #[cfg_attr(feature = "schema", schemars(rename = "leaseMs", with = "Option<u64>"))]
    pub lease: Option<Duration>,
    /// Whether the call is cancelled when its client disconnects.
    pub cancel_on_disconnect: Option<bool>,
    /// Whether the call runs in a worker of its own that is discarded afterwards.
    pub isolated: Option<bool>,
    /// The form of values in the response.
    pub values: Option<ValueForm>,
    /// What the client can do for the code while it runs.
    pub capabilities: Option<Capabilities>,
    /// Whether an exception comes with the variables of the frames in its traceback.
    pub traceback_locals: Option<bool>,
    /// The client request that the call is nested in: it runs while the code waits for the reply to that request.
    pub callback: Option<Arc<str>>,
    /// The trace that the call is part of; see [`trace_context`](Self::trace_context).
    pub traceparent: Option<Arc<str>>,
    /// What tracing systems note of that.
    pub tracestate: Option<Arc<str>>,
}

/// One of the [`CallOptions`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[allow(missing_docs, reason = "the fields of CallOptions say what they mean")]
pub enum CallOption {
    Session,
    RequestId,
    Timeout,
    Grace,
    Limits,
    Lease,
    CancelOnDisconnect,
    Isolated,
    Values,
    Capabilities,
    TracebackLocals,
    Callback,
    Traceparent,
    Tracestate,
}

/// A wire on which each option is a text with a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TextWire {
    /// HTTP headers.
    Http,
    /// gRPC metadata.
    Grpc,
}

struct Names {
    option: CallOption,
    /// The key in a JSON object.
    key: &'static str,
    /// The HTTP header, in lower case.
    header: &'static str,
    /// The gRPC metadata.
    metadata: &'static str,
}

/// The names of all options, in the order of [`CallOption`].
const NAMES: [Names; 14] = {
    use CallOption::*;
    const fn row(option: CallOption, key: &'static str, header: &'static str, metadata: &'static str) -> Names {
        Names { option, key, header, metadata }
    }
    [
        row(Session, "session", "x-beep-session", "beep-session"),
        row(RequestId, "requestId", "x-beep-request", "beep-request"),
        row(Timeout, "timeoutMs", "x-beep-timeout-ms", "grpc-timeout"),
        row(Grace, "graceMs", "x-beep-grace-ms", "beep-grace-ms"),
        row(Limits, "limits", "x-beep-limits", "beep-limits"),
        row(Lease, "leaseMs", "x-beep-lease-ms", "beep-lease-ms"),
        row(CancelOnDisconnect, "cancelOnDisconnect", "x-beep-cancel-on-disconnect", "beep-cancel-on-disconnect"),
        row(Isolated, "isolated", "x-beep-isolated", "beep-isolated"),
        row(Values, "values", "x-beep-values", "beep-values"),
        row(Capabilities, "capabilities", "x-beep-capabilities", "beep-capabilities"),
        row(TracebackLocals, "tracebackLocals", "x-beep-traceback-locals", "beep-traceback-locals"),
        row(Callback, "callback", "x-beep-callback", "beep-callback"),
        // Named by W3C.
        row(Traceparent, "traceparent", "traceparent", "traceparent"),
        row(Tracestate, "tracestate", "tracestate", "tracestate"),
    ]
};

/// How the names of our headers and metadata begin; a quick look that spares the others the search.
const HEADER_PREFIXES: [&str; 2] = ["x-beep-", "trace"];
const METADATA_PREFIXES: [&str; 3] = ["beep-", "grpc-timeout", "trace"];

/// A timeout of zero would be read as none.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(1);

/// Evaluates an expression with the field of an option, borrowed as the options are: the one place that leads from an option to its field.
macro_rules! with_field {
    ($options:expr, $option:expr, $field:ident => $run:expr) => {
        with_field!(@ $options, $option, $field => $run;
            Session session, RequestId request_id, Timeout timeout, Grace grace, Limits limits, Lease lease,
            CancelOnDisconnect cancel_on_disconnect, Isolated isolated, Values values, Capabilities capabilities,
            TracebackLocals traceback_locals, Callback callback, Traceparent traceparent, Tracestate tracestate)
    };
    (@ $options:expr, $option:expr, $field:ident => $run:expr; $($variant:ident $name:ident),+) => {
        match $option {
            $(CallOption::$variant => {
                let CallOptions { $name: $field, .. } = $options;
                $run
            })+
        }
    };
}

impl CallOption {
    /// Every option.
    pub fn all() -> impl Iterator<Item = CallOption> {
        NAMES.iter().map(|names| names.option)
    }

    /// The key in a JSON object: `timeoutMs`.
    pub const fn key(self) -> &'static str {
        NAMES[self as usize].key
    }

    /// The HTTP header, in lower case: `x-beep-timeout-ms`.
    pub const fn header(self) -> &'static str {
        NAMES[self as usize].header
    }

    /// The gRPC metadata: `beep-grace-ms`.
    pub const fn metadata(self) -> &'static str {
        NAMES[self as usize].metadata
    }

    /// The name on a wire.
    pub const fn name(self, wire: TextWire) -> &'static str {
        match wire {
            TextWire::Http => self.header(),
            TextWire::Grpc => self.metadata(),
        }
    }

    /// Whether it is of the trace that the call is part of. By the standard, what cannot be read there is left out, and no error.
    pub const fn is_trace(self) -> bool {
        matches!(self, CallOption::Traceparent | CallOption::Tracestate)
    }

    /// The option that a key stands for.
    pub fn from_key(key: &str) -> Option<CallOption> {
        NAMES.iter().find(|names| names.key == key).map(|names| names.option)
    }

    /// The option whose key this is, maybe in another case, in which it would go unread.
    pub fn meant_by(key: &str) -> Option<CallOption> {
        NAMES.iter().find(|names| names.key.eq_ignore_ascii_case(key)).map(|names| names.option)
    }

    /// What is wrong with a key that [`meant_by`](Self::meant_by) found.
    pub fn wrong_case(self, key: &str) -> String {
        format!("'{key}': there is no such key; did you mean '{}'?", self.key())
    }

    /// Whether its texts in several headers are one list.
    pub const fn is_list(self) -> bool {
        matches!(self, CallOption::Capabilities)
    }

    /// The option that a name on a wire stands for; names there are in lower case.
    pub fn from_name(wire: TextWire, name: &str) -> Option<CallOption> {
        let prefixes = match wire {
            TextWire::Http => &HEADER_PREFIXES[..],
            TextWire::Grpc => &METADATA_PREFIXES,
        };
        let is_ours = prefixes.iter().any(|prefix| name.starts_with(prefix));
        is_ours.then(|| NAMES.iter().find(|names| names.option.name(wire) == name))?.map(|names| names.option)
    }
}

impl CallOptions {
    /// The form of values in the response; plain unless the call says otherwise.
    pub fn form(&self) -> ValueForm {
        self.values.unwrap_or_default()
    }

    /// What the client can do for the code; nothing unless the call says otherwise.
    pub fn offered(&self) -> Capabilities {
        self.capabilities.unwrap_or_default()
    }

    /// Whether the call runs in a worker of its own.
    pub fn is_isolated(&self) -> bool {
        self.isolated == Some(true)
    }

    /// Whether the call is cancelled when its client disconnects.
    pub fn cancels_on_disconnect(&self) -> bool {
        self.cancel_on_disconnect == Some(true)
    }

    /// Whether an exception comes with the variables of its frames.
    pub fn tells_traceback_locals(&self) -> bool {
        self.traceback_locals == Some(true)
    }

    /// Whether events precede the response: the operation has some, or the client has capabilities. A nested call has
    /// none.
    pub fn has_events(&self, operation: Operation) -> bool {
        self.callback.is_none() && (operation.has_events() || self.offered().any())
    }

    /// Reads a header or metadata. An option that already has a value keeps it.
    ///
    /// # Errors
    /// [`ErrorCode::InvalidRequest`] when the text means nothing; the detail names the header.
    pub fn read_text(&mut self, wire: TextWire, option: CallOption, text: &str) -> Result<(), Problem> {
        if (wire, option) == (TextWire::Grpc, CallOption::Timeout) {
            if self.timeout.is_none() {
                let wrong = || invalid(format!("{} cannot be read: '{text}'", option.metadata()));
                self.timeout = Some(parse_grpc_timeout(text).ok_or_else(wrong)?);
            }
            return Ok(());
        }
        with_field!(self, option, field => {
            if field.is_none() {
                *field = Some(OptionValue::from_text(text, wire.place(option)).map_err(invalid)?);
            }
        });
        Ok(())
    }

    /// The text of a header or metadata; `None` when the option is absent.
    pub fn text(&self, wire: TextWire, option: CallOption) -> Option<Cow<'_, str>> {
        if option == CallOption::Timeout {
            let timeout = self.timeout?.max(SHORTEST_TIMEOUT);
            return Some(Cow::Owned(match wire {
                TextWire::Http => timeout.to_text().into_owned(),
                TextWire::Grpc => format_grpc_timeout(timeout),
            }));
        }
        with_field!(self, option, field => field.as_ref().map(OptionValue::to_text))
    }

    /// The options that are present, as headers or metadata: each with its name in lower case and its text.
    pub fn texts(&self, wire: TextWire) -> impl Iterator<Item = (CallOption, &'static str, Cow<'_, str>)> {
        CallOption::all().filter_map(move |option| Some((option, option.name(wire), self.text(wire, option)?)))
    }

    /// Reads the value of a key that [`CallOption::from_key`] found. `null` is the same as no key.
    ///
    /// # Errors
    /// When the value has the wrong type, or the option already has one.
    pub fn read_entry<'de, A: MapAccess<'de>>(&mut self, option: CallOption, map: &mut A) -> Result<(), A::Error> {
        with_field!(self, option, field => {
            if field.is_some() {
                return Err(A::Error::duplicate_field(option.key()));
            }
            *field = map
                .next_value_seed(JsonSeed::default())
                .map_err(|error| A::Error::custom(format_args!("'{}': {error}", option.key())))?;
        });
        Ok(())
    }

    /// Writes the options that are present as entries of a JSON object.
    ///
    /// # Errors
    /// Those of the serializer.
    pub fn serialize_entries<M: SerializeMap>(&self, map: &mut M) -> Result<(), M::Error> {
        for option in CallOption::all() {
            if option == CallOption::Timeout {
                if let Some(timeout) = self.timeout {
                    map.serialize_entry(option.key(), &Json(&timeout.max(SHORTEST_TIMEOUT)))?;
                }
                continue;
            }
            with_field!(self, option, field => {
                if let Some(value) = field {
                    map.serialize_entry(option.key(), &Json(value))?;
                }
            });
        }
        Ok(())
    }
}

impl Serialize for CallOptions {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        self.serialize_entries(&mut map)?;
        map.end()
    }
}

impl<'de> Deserialize<'de> for CallOptions {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<CallOptions, D::Error> {
        struct Entries;

        impl<'de> Visitor<'de> for Entries {
            type Value = CallOptions;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<CallOptions, A::Error> {
                let mut options = CallOptions::default();
                while let Some(key) = map.next_key::<Key>()? {
                    match key {
                        Key(Some(option)) => options.read_entry(option, &mut map)?,
                        Key(None) => drop(map.next_value::<IgnoredAny>()?),
                    }
                }
                Ok(options)
            }
        }

        deserializer.deserialize_map(Entries)
    }
}

/// The key of an option, or any other.
struct Key(Option<CallOption>);

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Key, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }

            fn visit_str<E: serde::de::Error>(self, key: &str) -> Result<Key, E> {
                match CallOption::meant_by(key) {
                    Some(meant) if meant.key() != key => Err(E::custom(meant.wrong_case(key))),
                    option => Ok(Key(option)),
                }
            }
        }

        deserializer.deserialize_identifier(Name)
    }
}

impl TextWire {
    /// The problem of an option whose text has other characters than visible ASCII.
    pub fn not_ascii(self, option: CallOption) -> Problem {
        invalid(format!("{} must be plain ASCII", self.place(option)))
    }

    /// Where the text of an option stands, for a message: `the header X-Beep-Session`.
    pub fn place_of(self, option: CallOption) -> String {
        self.place(option).to_string()
    }

    fn place(self, option: CallOption) -> Place {
        match self {
            TextWire::Http => Place::Header(option.header()),
            TextWire::Grpc => Place::Metadata(option.metadata()),
        }
    }
}

fn invalid(detail: String) -> Problem {
    Problem::new(ErrorCode::InvalidRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> CallOptions {
        CallOptions {
            session: Some("s".into()),
            request_id: Some("r".into()),
            timeout: Some(Duration::from_millis(1500)),
            grace: Some(Duration::ZERO),
            limits: Some(Arc::new(CallLimits { cpu_ms: Some(500), ..CallLimits::default() })),
            lease: Some(Duration::from_secs(60)),
            cancel_on_disconnect: Some(true),
            isolated: Some(false),
            values: Some(ValueForm::Exact),
            capabilities: Some(Capabilities {
                stdin: true,
                callbacks: true,
                log: true,
                progress: true,
                raw_output: true,
            }),
            traceback_locals: Some(true),
            callback: Some("q".into()),
            traceparent: Some("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into()),
            tracestate: Some("a=1".into()),
        }
    }

    #[test]
    fn table_has_a_row_for_each_option_in_order() {
        for (index, option) in CallOption::all().enumerate() {
            assert_eq!(option as usize, index);
            assert_eq!(CallOption::from_key(option.key()), Some(option));
            for wire in [TextWire::Http, TextWire::Grpc] {
                assert_eq!(CallOption::from_name(wire, option.name(wire)), Some(option));
            }
        }
    }

    #[test]
    fn json_round_trips() {
        let text = serde_json::to_string(&all()).unwrap();
        let expected = concat!(
            r#"{"session":"s","requestId":"r","timeoutMs":1500,"graceMs":0,"limits":{"cpuMs":500},"leaseMs":60000,"#,
            r#""cancelOnDisconnect":true,"isolated":false,"values":"exact","capabilities":["stdin","callbacks","log","progress","rawOutput"],"#,
            r#""tracebackLocals":true,"callback":"q","#,
            r#""traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","tracestate":"a=1"}"#
        );
        assert_eq!(text, expected);
        assert_eq!(serde_json::from_str::<CallOptions>(&text).unwrap(), all());
        assert_eq!(serde_json::to_string(&CallOptions::default()).unwrap(), "{}");
    }

    #[test]
    fn texts_round_trip_on_each_wire() {
        for wire in [TextWire::Http, TextWire::Grpc] {
            let mut read = CallOptions::default();
            for (option, name, text) in all().texts(wire) {
                assert_eq!(CallOption::from_name(wire, name), Some(option));
                read.read_text(wire, option, &text).unwrap();
            }
            assert_eq!(read, all());
        }
    }

    #[test]
    fn first_value_wins_over_later_texts() {
        let mut options: CallOptions = serde_json::from_str(r#"{"timeoutMs":7,"isolated":false}"#).unwrap();
        options.read_text(TextWire::Http, CallOption::Timeout, "soon").unwrap();
        options.read_text(TextWire::Http, CallOption::Isolated, "true").unwrap();
        assert_eq!((options.timeout, options.isolated), (Some(Duration::from_millis(7)), Some(false)));
    }

    #[test]
    fn null_is_the_same_as_absent_and_other_keys_are_skipped() {
        let nulls: Vec<_> = CallOption::all().map(|option| format!("\"{}\":null", option.key())).collect();
        let text = format!(r#"{{"expression":"1",{},"x":[{{}}]}}"#, nulls.join(","));
        assert_eq!(serde_json::from_str::<CallOptions>(&text).unwrap(), CallOptions::default());
    }

    #[test]
    fn escaped_text_is_unescaped() {
        let json = r#"{"sess\u0069on":"a\u0062","values":"\u0065xact"}"#;
        let options: CallOptions = serde_json::from_str(json).unwrap();
        assert_eq!((options.session.as_deref(), options.form()), (Some("ab"), ValueForm::Exact));
    }

    #[test]
    fn zero_timeout_is_sent_as_the_shortest() {
        let options = CallOptions { timeout: Some(Duration::from_micros(5)), ..CallOptions::default() };
        assert_eq!(serde_json::to_string(&options).unwrap(), r#"{"timeoutMs":1}"#);
        assert_eq!(options.text(TextWire::Http, CallOption::Timeout).as_deref(), Some("1"));
        assert_eq!(options.text(TextWire::Grpc, CallOption::Timeout).as_deref(), Some("1m"));
    }

    #[test]
    fn wrong_json_is_named() {
        for (json, said) in [
            (r#"{"timeoutMs":"soon"}"#, "'timeoutMs': invalid type: string \"soon\", expected whole milliseconds"),
            (r#"{"timeoutMs":-1}"#, "expected whole milliseconds"),
            (r#"{"timeoutMs":1.5}"#, "'timeoutMs': invalid value: floating point `1.5`, expected whole milliseconds"),
            (r#"{"limits":[5]}"#, "'limits': invalid type: sequence, expected an object"),
            (r#"{"session":5}"#, "string"),
            (r#"{"values":"other"}"#, "values must be 'plain' or 'exact', not 'other'"),
            (
                r#"{"capabilities":["stdin","x"]}"#,
                "capabilities are 'stdin', 'callbacks', 'log', 'progress' and 'rawOutput', not 'x'",
            ),
            (r#"{"limits":{"cpu":1}}"#, "'limits': there is no key 'cpu'; did you mean 'cpuMs'?"),
            (r#"{"session":"a","session":"b"}"#, "duplicate field `session`"),
            (r#"["a"]"#, "expected a JSON object"),
        ] {
            let error = serde_json::from_str::<CallOptions>(json).unwrap_err().to_string();
            assert!(error.contains(said), "{json}: {error}");
        }
    }

    #[test]
    fn wrong_texts_name_their_header() {
        use CallOption::*;
        use TextWire::{Grpc, Http};
        for (wire, option, text, said) in [
            (Http, Timeout, "1.5", "the header X-Beep-Timeout-Ms must be whole milliseconds, not '1.5'"),
            (Grpc, Grace, "-1", "the metadata beep-grace-ms must be whole milliseconds, not '-1'"),
            (Grpc, Timeout, "5", "grpc-timeout cannot be read: '5'"),
            (Http, Isolated, "yes", "the header X-Beep-Isolated must be true or false"),
            (Http, Limits, "1", "the limits of a call must be a JSON object such as {\"cpuMs\":500}"),
            (Http, Values, "other", "values must be 'plain' or 'exact', not 'other'"),
            (
                Grpc,
                Capabilities,
                "stdin,x",
                "capabilities are 'stdin', 'callbacks', 'log', 'progress' and 'rawOutput', not 'x'",
            ),
        ] {
            let problem = CallOptions::default().read_text(wire, option, text).unwrap_err();
            assert_eq!(problem.code, ErrorCode::InvalidRequest);
            assert!(problem.detail.contains(said), "{text}: {}", problem.detail);
        }
        assert_eq!(Grpc.not_ascii(Session).detail, "the metadata beep-session must be plain ASCII");
    }
}
