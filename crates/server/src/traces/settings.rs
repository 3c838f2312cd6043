//! How spans are exported, by the standard variables of OpenTelemetry.

use std::collections::HashMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::{EnvResourceDetector, TelemetryResourceDetector};
use opentelemetry_sdk::trace::Sampler;

use crate::traces::variables::{asked_for, of_exporter, variable};

/// The port of OTLP over HTTP on this machine, which the standard has as default.
const NEAR: &str = "http://localhost:4318";
/// As many spans wait at most, however many are asked for: memory for them is taken at once.
const MOST_WAITING: u64 = 100_000;

/// How spans of calls are exported, and what of the variables that say so is wrong.
#[derive(Clone, Debug, Default)]
pub struct TraceSettings {
    pub(super) exporting: Option<Exporting>,
    pub(super) wrong: Vec<String>,
}

#[derive(Clone)]
pub(super) struct Exporting {
    /// The whole URL.
    pub(super) endpoint: String,
    /// As they stand in the variable, with `%` before what is encoded.
    pub(super) headers: HashMap<String, String>,
    /// In PEM.
    pub(super) certificate: Option<PathBuf>,
    pub(super) timeout: Duration,
    pub(super) sampler: Sampler,
    /// What says of itself who starts the server.
    pub(super) resource: Resource,
    /// How many spans may wait.
    pub(super) queue: usize,
    /// How many go at once.
    pub(super) batch: usize,
    /// How often they go.
    pub(super) delay: Duration,
}

/// Without what may be secret.
impl fmt::Debug for Exporting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Exporting { timeout, sampler, resource, queue, batch, delay, .. } = self;
        write!(f, "Exporting({timeout:?}, {sampler:?}, {resource:?}, {queue}, {batch}, {delay:?})")
    }
}

impl TraceSettings {
    /// What the variables of this process say. It reads all of them: they may be hidden afterwards.
    pub fn from_environment() -> TraceSettings {
        let mut settings = TraceSettings::read(variable);
        if let Some(exporting) = &mut settings.exporting {
            let detected = Resource::builder_empty()
                .with_detectors(&[Box::new(TelemetryResourceDetector), Box::new(EnvResourceDetector::new())]);
            let name = variable("OTEL_SERVICE_NAME").map(|name| KeyValue::new("service.name", name));
            exporting.resource = detected.with_attributes(name).build();
        }
        settings
    }

    fn read(get: impl Fn(&str) -> Option<String>) -> TraceSettings {
        let mut wrong = Vec::new();
        let asked = asked_for(&get, &mut wrong);
        let exporting = asked.then(|| Reader { get, wrong: &mut wrong }.exporting()).flatten();
        TraceSettings { exporting, wrong }
    }
}

struct Reader<'a, G> {
    get: G,
    wrong: &'a mut Vec<String>,
}

impl<G: Fn(&str) -> Option<String>> Reader<'_, G> {
    fn exporting(&mut self) -> Option<Exporting> {
        self.check_protocol()?;
        let endpoint = self.endpoint()?;
        let own = self.of_exporter("TIMEOUT");
        let (timeout, of_batch) =
            (self.number(own, 10_000, 3_600_000), self.batch("EXPORT_TIMEOUT", 30_000, 3_600_000));
        let queue = self.batch("MAX_QUEUE_SIZE", 2048, MOST_WAITING);
        if let Some((name, how)) = self.of_exporter("COMPRESSION").filter(|(_, how)| how != "none") {
            self.wrong.push(format!("{name} is {how:?}: spans are sent as they are"));
        }
        Some(Exporting {
            endpoint,
            headers: self.headers(),
            certificate: self.of_exporter("CERTIFICATE").map(|(_, path)| path.into()),
            timeout: Duration::from_millis(timeout.min(of_batch)),
            sampler: self.sampler(),
            resource: Resource::builder_empty().build(),
            queue: queue as usize,
            batch: self.batch("MAX_EXPORT_BATCH_SIZE", 512, queue) as usize,
            delay: Duration::from_millis(self.batch("SCHEDULE_DELAY", 5000, 3_600_000)),
        })
    }

    fn of_exporter(&self, what: &str) -> Option<(String, String)> {
        of_exporter(&self.get, what)
    }

    fn check_protocol(&mut self) -> Option<()> {
        match self.of_exporter("PROTOCOL") {
            Some((name, protocol)) if protocol != "http/protobuf" => {
                self.wrong.push(format!(
                    "{name} is {protocol:?}: this server exports spans as http/protobuf only, for which collectors have the port 4318; \
                    none are exported"
                ));
                None
            }
            _ => Some(()),
        }
    }

    /// That of traces is the whole URL; that of all signals is where the paths of all begin.
    fn endpoint(&mut self) -> Option<String> {
        let named = self.of_exporter("ENDPOINT");
        let (name, url) = named.unwrap_or_else(|| ("OTEL_EXPORTER_OTLP_ENDPOINT".to_owned(), NEAR.to_owned()));
        // The URL may have a password.
        let is_url = |url: &reqwest::Url| matches!(url.scheme(), "http" | "https") && url.has_host();
        if !url.parse().is_ok_and(|url| is_url(&url)) {
            self.wrong.push(format!("{name} is no URL as http://collector:4318: no spans are exported"));
            return None;
        }
        let is_whole = name == "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT";
        Some(if is_whole { url } else { format!("{}/v1/traces", url.trim_end_matches('/')) })
    }

    /// `key=value,other=value`.
    fn headers(&mut self) -> HashMap<String, String> {
        let mut headers = HashMap::new();
        let Some((name, text)) = self.of_exporter("HEADERS") else { return headers };
        for (n, part) in text.split_terminator(',').enumerate() {
            let pair = part.split_once('=').map(|(key, value)| (key.trim(), value.trim()));
            match pair.filter(|(key, _)| http::HeaderName::try_from(*key).is_ok()) {
                Some((key, value)) => drop(headers.insert(key.to_owned(), value.to_owned())),
                None => self.wrong.push(format!("{name}: its part {} is not `header=value`, and is left out", n + 1)),
            }
        }
        headers
    }

    fn sampler(&mut self) -> Sampler {
        let name = (self.get)("OTEL_TRACES_SAMPLER");
        let by_parent = |root| Sampler::ParentBased(Box::new(root));
        match name.as_deref() {
            None | Some("parentbased_always_on") => by_parent(Sampler::AlwaysOn),
            Some("parentbased_always_off") => by_parent(Sampler::AlwaysOff),
            Some("parentbased_traceidratio") => by_parent(self.ratio()),
            Some("always_on") => Sampler::AlwaysOn,
            Some("always_off") => Sampler::AlwaysOff,
            Some("traceidratio") => self.ratio(),
            Some(other) => {
                self.wrong.push(format!(
                    "OTEL_TRACES_SAMPLER is {other:?}, which is none of always_on, always_off, traceidratio, and these after parentbased_: \
                    parentbased_always_on counts"
                ));
                by_parent(Sampler::AlwaysOn)
            }
        }
    }

    fn ratio(&mut self) -> Sampler {
        let text = (self.get)("OTEL_TRACES_SAMPLER_ARG");
        let ratio =
            text.as_deref().map_or(Some(1.0), |text| text.parse().ok().filter(|ratio| (0.0..=1.0).contains(ratio)));
        Sampler::TraceIdRatioBased(ratio.unwrap_or_else(|| {
            self.wrong.push(format!(
                "OTEL_TRACES_SAMPLER_ARG is {:?}, which is no number from 0 to 1: 1 counts",
                text.unwrap_or_default()
            ));
            1.0
        }))
    }

    fn batch(&mut self, what: &str, default: u64, most: u64) -> u64 {
        let name = format!("OTEL_BSP_{what}");
        let value = (self.get)(&name);
        self.number(value.map(|value| (name, value)), default, most)
    }

    /// A whole number, which zero is not: it would be no time, and no room.
    fn number(&mut self, given: Option<(String, String)>, default: u64, most: u64) -> u64 {
        let default = default.min(most);
        let Some((name, text)) = given else { return default };
        text.trim().parse().ok().filter(|number| (1..=most).contains(number)).unwrap_or_else(|| {
            self.wrong.push(format!("{name} is {text:?}, which is no whole number from 1 to {most}: {default} counts"));
            default
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(variables: &[(&str, &str)]) -> TraceSettings {
        let get = |name: &str| variables.iter().find(|(set, _)| *set == name).map(|(_, value)| (*value).to_owned());
        TraceSettings::read(get)
    }

    const NAMED: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://collector:4318/");

    #[test]
    fn spans_are_exported_where_a_collector_is_named() {
        let endpoint = |variables: &[_]| read(variables).exporting.map(|exporting| exporting.endpoint);
        let whole = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "https://other/x");
        assert_eq!(endpoint(&[]), None);
        assert_eq!(endpoint(&[NAMED]).as_deref(), Some("http://collector:4318/v1/traces"));
        assert_eq!(endpoint(&[NAMED, whole]).as_deref(), Some("https://other/x"));
        let near = [("OTEL_TRACES_EXPORTER", "otlp")];
        assert_eq!(endpoint(&near).as_deref(), Some("http://localhost:4318/v1/traces"));
        for off in [("OTEL_TRACES_EXPORTER", "none"), ("OTEL_SDK_DISABLED", "True")] {
            assert_eq!(endpoint(&[NAMED, off]), None);
            assert!(read(&[NAMED, off]).wrong.is_empty());
        }
    }

    #[test]
    fn variables_are_heeded_and_secret_ones_not_shown() {
        let settings = read(&[
            NAMED,
            ("OTEL_EXPORTER_OTLP_HEADERS", "Authorization=Basic%20abc=, x-tenant=7,"),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "2000"),
            ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "1000"),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "10"),
            ("OTEL_BSP_SCHEDULE_DELAY", "7"),
            ("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"),
            ("OTEL_TRACES_SAMPLER_ARG", "0.25"),
        ]);
        assert_eq!(settings.wrong, [""; 0]);
        assert!(!format!("{settings:?}").contains("abc"), "{settings:?}");
        let exporting = settings.exporting.unwrap();
        assert_eq!(exporting.headers["Authorization"], "Basic%20abc=");
        assert_eq!(exporting.headers["x-tenant"], "7");
        assert_eq!((exporting.timeout, exporting.delay), (Duration::from_secs(1), Duration::from_millis(7)));
        assert_eq!((exporting.queue, exporting.batch), (10, 10));
        assert_eq!(format!("{:?}", exporting.sampler), "ParentBased(TraceIdRatioBased(0.25))");
    }

    #[test]
    fn what_is_wrong_is_told_with_what_counts_instead() {
        for (name, value, told, is_exported) in [
            ("OTEL_SDK_DISABLED", "yes", "counts as false", true),
            ("OTEL_TRACES_EXPORTER", "zipkin", "knows otlp and none", false),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc", "http/protobuf only", false),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "collector:4318", "is no URL", false),
            ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "ftp://collector", "is no URL", false),
            ("OTEL_EXPORTER_OTLP_HEADERS", "a=b,secret", "its part 2 is not", true),
            ("OTEL_EXPORTER_OTLP_TIMEOUT", "10s", "10000 counts", true),
            ("OTEL_EXPORTER_OTLP_COMPRESSION", "gzip", "sent as they are", true),
            ("OTEL_BSP_MAX_QUEUE_SIZE", "99999999999", "2048 counts", true),
            ("OTEL_BSP_SCHEDULE_DELAY", "0", "5000 counts", true),
            ("OTEL_BSP_EXPORT_TIMEOUT", "-1", "30000 counts", true),
            ("OTEL_TRACES_SAMPLER", "xray", "parentbased_always_on counts", true),
        ] {
            let settings = read(&[NAMED, (name, value)]);
            let [wrong] = &settings.wrong[..] else { panic!("{name}: {:?}", settings.wrong) };
            assert!(wrong.starts_with(name) && wrong.contains(told) && !wrong.contains("secret"), "{wrong}");
            assert_eq!(settings.exporting.is_some(), is_exported, "{name}");
        }
        let ratio = [NAMED, ("OTEL_TRACES_SAMPLER", "traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "2")];
        assert!(read(&ratio).wrong[0].contains("1 counts"));
    }
}
