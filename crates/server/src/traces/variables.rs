//! The variables that say whether spans are exported. As OpenTelemetry says, one that is empty is as one that is not set.

/// A variable's value.
pub(super) fn variable(name: &str) -> Option<String> {
    std::env::var_os(name).filter(|value| !value.is_empty()).map(|value| value.to_string_lossy().into_owned())
}

/// The variable of traces alone, `OTEL_EXPORTER_OTLP_TRACES_x`, else that of all signals, `OTEL_EXPORTER_OTLP_x`, with its name.
pub(super) fn of_exporter(get: impl Fn(&str) -> Option<String>, what: &str) -> Option<(String, String)> {
    let names = [format!("OTEL_EXPORTER_OTLP_TRACES_{what}"), format!("OTEL_EXPORTER_OTLP_{what}")];
    names.into_iter().find_map(|name| get(&name).map(|value| (name, value)))
}

/// Whether spans are to be exported. That takes a word: the standard's own default would try a collector on this machine from every
/// server, and most machines have none. What is wrong with the words is told.
pub(super) fn asked_for(get: impl Fn(&str) -> Option<String>, wrong: &mut Vec<String>) -> bool {
    if let Some(disabled) = get("OTEL_SDK_DISABLED") {
        if disabled.eq_ignore_ascii_case("true") {
            return false;
        }
        if !disabled.eq_ignore_ascii_case("false") {
            wrong.push(format!(
                "OTEL_SDK_DISABLED is {disabled:?}, which is neither true nor false: it counts as false"
            ));
        }
    }
    match get("OTEL_TRACES_EXPORTER").as_deref() {
        Some("otlp") => true,
        Some("none") => false,
        Some(other) => {
            wrong.push(format!(
                "OTEL_TRACES_EXPORTER is {other:?}: this server knows otlp and none, and exports no spans"
            ));
            false
        }
        None => of_exporter(get, "ENDPOINT").is_some(),
    }
}
