//! The metrics of the server's own process that every exporter of Prometheus has.

use std::fmt;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, EncodeMetric};
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::gauge::ConstGauge;
use prometheus_client::registry::Unit;
use rustix::param::{clock_ticks_per_second, page_size};

/// Reads them from `/proc/self` when they are asked for.
#[derive(Debug)]
pub(super) struct ProcessCollector;

impl Collector for ProcessCollector {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let Some(Read { cpu_seconds, resident_bytes, open_fds }) = Read::now() else { return Ok(()) };
        let mut put = |name: &str, help: &str, unit: Option<&Unit>, metric: &dyn EncodeMetric| {
            metric.encode(encoder.encode_descriptor(name, help, unit, metric.metric_type())?)
        };
        let cpu = ConstCounter::new(cpu_seconds);
        put("process_cpu", "Processor time of the server itself, without its workers", Some(&Unit::Seconds), &cpu)?;
        let resident = ConstGauge::new(resident_bytes);
        put("process_resident_memory", "Resident memory of the server itself", Some(&Unit::Bytes), &resident)?;
        put("process_open_fds", "Open descriptors of the server itself", None, &ConstGauge::new(open_fds))
    }
}

struct Read {
    cpu_seconds: f64,
    resident_bytes: i64,
    open_fds: i64,
}

impl Read {
    fn now() -> Option<Read> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name in brackets may have blanks. Behind it the state is field 3; times are fields 14 and 15, resident pages field 24.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        let number = |field: usize| fields.get(field - 3)?.parse::<i64>().ok();
        let ticks = number(14)? + number(15)?;
        Some(Read {
            cpu_seconds: ticks as f64 / clock_ticks_per_second() as f64,
            resident_bytes: number(24)? * page_size() as i64,
            open_fds: i64::try_from(std::fs::read_dir("/proc/self/fd").ok()?.count()).ok()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_seen_as_it_is() {
        let before = Read::now().expect("read");
        // More than other tests of this process close meanwhile.
        let _held: Vec<_> = (0..100).map(|_| std::fs::File::open("/dev/null").expect("opened")).collect();
        let after = Read::now().expect("read");
        assert!(after.open_fds > before.open_fds);
        assert!((1 << 20..1 << 34).contains(&after.resident_bytes), "{}", after.resident_bytes);
        assert!((0.0..1e5).contains(&after.cpu_seconds), "{}", after.cpu_seconds);
    }
}
